"""The tables of the control database, as numbered steps: a step that was published is never changed."""

_FIRST = """
create table account_book (
    account text primary key,
    generation bigint not null default 0,
    home text,
    latest_book text,
    published_book text,
    published_run text,
    published_generation bigint,
    published_as_of timestamp,
    hash_key text,
    program text,
    updated_at timestamptz not null default clock_timestamp()
);
create table account_holder (
    account text primary key,
    run_id text not null,
    step text not null,
    machine text not null,
    backend integer not null,
    since timestamptz not null default clock_timestamp()
);
create table fleet_run (
    run_id text primary key,
    opened_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    accounts text[] not null,
    status text not null default 'running'
);
create table account_night (
    run_id text not null,
    account text not null,
    status text not null,
    step text not null,
    reason text,
    as_of timestamp,
    seconds double precision,
    report json,
    updated_at timestamptz not null default clock_timestamp(),
    primary key (run_id, account)
);
create table alert_sent (
    run_id text not null,
    what text not null,
    sent_at timestamptz not null default clock_timestamp(),
    primary key (run_id, what)
);
create table fleet_account (
    account text primary key,
    conn_ids text[] not null default '{}',
    zone text,
    policy_dir text
);
"""

_ERASURES = """
create table erasure_line (
    number bigint generated always as identity primary key,
    line text not null unique,
    is_asked boolean not null
);
alter table account_book add column erased_to bigint not null default 0;
"""

# a digest of the folder of the user's own reports that the run was begun with: empty without one, NULL of earlier runs
_OWN_REPORTS = "alter table fleet_run add column own_reports text"

_PERSONAL = "alter table account_book add column personal_before date"

MIGRATIONS = (_FIRST, _ERASURES, _OWN_REPORTS, _PERSONAL)
