"""What readers may not ask, of a file or of a lake, and what ordinary use is."""

# {file} is the published file, {other} another database, {folder} a folder outside
REFUSED = """
select * from read_text('/etc/passwd')
select * from read_csv('/etc/passwd')
select * from read_csv_auto('/etc/passwd')
select * from read_blob('{file}')
select * from read_json('/etc/passwd')
select * from read_ndjson_objects('/etc/passwd')
select * from read_parquet('http://127.0.0.1:9/x.parquet')
select * from read_parquet('{folder}/*.parquet')
select * from parquet_metadata('/etc/passwd')
select * from read_duckdb('{other}')
select * from glob('/etc/*')
select * from sniff_csv('/etc/passwd')
from '/etc/passwd'
from '{other}'
from '{folder}/x.csv'
from 's3://bucket/x.parquet'
from "read_text"('/etc/passwd')
from READ_TEXT /* a comment */ ('/etc/passwd')
from query('from read_text(''/etc/passwd'')')
from query('from enable_' || 'logging()')
from query_table('{file}')
from json_execute_serialized_sql(json_serialize_sql('select 1'))
select getenv('HOME')
copy (select 1) to '{folder}/out.csv'
copy (select 1) to '{file}'
copy (select 1) to '{file}.wal'
copy (select 1) to '/dev/stdout'
copy t from '/etc/passwd'
explain analyze copy (select 1) to '{folder}/out.csv'
explain (analyze, format json) copy (select 1) to '{folder}/out.csv'
prepare p as copy (select 1) to '{folder}/out.csv'
export database '{folder}/exported'
import database '{folder}'
pragma import_database('{folder}')
copy from database warehouse to memory
attach '{other}'
attach '{other}' as other (read_only)
attach ':memory:' as scratch
attach 'x.db' (type sqlite)
detach warehouse
install httpfs
load httpfs
load '{folder}/evil.duckdb_extension'
update extensions
set memory_limit = '9GB'
set global threads = 64
set enable_external_access = true
set lock_configuration = false
set temp_directory = '{folder}'
set max_temp_directory_size = '900GB'
set home_directory = '{folder}'
set secret_directory = '{folder}'
set log_query_path = '{folder}/log'
set profiling_output = '{folder}/profile'
set custom_extension_repository = 'http://127.0.0.1:9'
reset memory_limit
pragma memory_limit = '9GB'
pragma enable_profiling
call enable_logging(storage = 'file', storage_path = '{folder}/logs')
select * from enable_logging(storage = 'file', storage_path = '{folder}/logs')
select * from enable_profiling(save_location = '{folder}/profile')
create temp macro door() as table from enable_logging(storage = 'file', storage_path = '{folder}/logs')
select * from duckdb_secrets()
create secret s (type s3, key_id 'a', secret 'b')
create persistent secret s (type http)
select * from which_secret('s3://x', 's3')
select * from arrow_scan(1, 2, 3)
select * from pandas_scan(1)
force checkpoint
checkpoint
vacuum
create table u as select 1
insert into t values (1)
update t set n = 2
delete from t
drop table t
alter table t add column m int
create schema s
select * from frame
""".strip().splitlines()

ALLOWED = [
    "select n from t",
    "from t",
    "explain select n from t",
    "explain analyze select n from t",
    "describe t",
    "summarize t",
    "show tables",
    "show all tables",
    "pragma table_info('t')",
    "select * from duckdb_tables()",
    "create temp table mine as select n from t; insert into mine values (2); select sum(n) as s from mine",
    "create temp view seen as select n from t; from seen",
    "create temp macro twice(x) as 2 * x; select twice(n) as n from t",
    "create temp macro up_to(x) as table from range(x); from up_to(3)",
    "set variable wanted = 1; select n from t where n = getvariable('wanted')",
    "use marts; select * from m",
    "with q as (select 1 as query) select query from q",
    "select * from range(3), unnest([1, 2])",
    "select 'read_text(''/etc/passwd'')' as text -- glob('x')",
    "pivot t on n using count(*)",
]
