"""The building step: all models, in the writer's file."""

from stockbook.night.tonight import Night
from stockbook.runs import context as runs


def build(night: Night, run_id: str) -> None:
    """Build all models in their order, with the programs among them, and those of a user's own folder behind."""
    from stockbook.closing import chain
    from stockbook.models.build import build as build_models
    from stockbook.models.programs import BuildContext
    from stockbook.night import extra, named_accounts
    from stockbook.sla.program import notes as policy_notes
    from stockbook.sla.program import read as read_policies
    from stockbook.warehouse.connect import writer

    run, settings = runs.read(night.settings, run_id), night.settings
    with night.at(run, "build") as done:
        context = BuildContext(
            run.as_of,
            run.run_id,
            run.tz,
            settings.policy_dir,
            night.tables,
            run.full_refresh,
            settings.published,
            run.as_of_utc,
            settings.closes,
        )
        done.closes = chain.newest(chain.require(settings))
        with writer(settings) as con:
            done.models = build_models(con, settings.models_dir, context, night.clock, night.progress, settings.at_once)
            slips = policy_notes(con, read_policies(settings.policy_dir))
            slips += named_accounts.notes(con, settings.policy_dir)
            done.notes += [f"warning: {note}" for note in slips]
            if settings.extra_dir is None:
                extra.forget(con, context)
        if settings.extra_dir is not None:
            extra.build(night, settings.extra_dir, context, done)
