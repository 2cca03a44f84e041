"""
Eight bytes at once: what a loop over bytes gains most by, and what numba has no words for.

A word has its first byte lowest, as on every processor that numba's wheels are made for. Whoever reads a word at a
byte has seven more behind it.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_WORD = ir.IntType(64)


def _pointer(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    return builder.gep(context.make_array(kind)(context, builder, array).data, [at])


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def word_at(_: Any, buf: Any, i: Any) -> Any:  # numba reads their names
    """The eight bytes from ``i`` on as one number."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _pointer(context, builder, signature.args[0], *arguments)
        return builder.load(builder.bitcast(place, _WORD.as_pointer()), align=1)

    return types.uint64(buf, types.intp), code


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def first_byte(_: Any, word: Any) -> Any:
    """The place of the first byte of a word that is not zero; the word itself is not zero."""

    def code(_: Any, builder: Any, __: Any, arguments: Any) -> Any:
        bits = builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))
        return builder.lshr(bits, ir.Constant(_WORD, 3))

    return types.int64(types.uint64), code


@intrinsic  # type: ignore[untyped-decorator]  # numba has no types
def copy_bytes(_: Any, buf: Any, start: Any, size: Any, out: Any, o: Any) -> Any:
    """Copy ``size`` bytes of ``buf`` to ``out``; they do not overlap."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source, start, size, target, o = arguments
        place = _pointer(context, builder, signature.args[3], target, o)
        cgutils.raw_memcpy(builder, place, _pointer(context, builder, signature.args[0], source, start), size, 1)
        return context.get_dummy_value()

    return types.void(buf, types.intp, types.intp, out, types.intp), code
