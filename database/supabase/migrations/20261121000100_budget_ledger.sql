-- The budget ledger. A reservation holds money in every period it falls into; settling turns the
-- hold into spending. Period counters are kept beside the entries, so that admission is one row
-- lock a period and never a sum over history.

create table budget_periods (
  scope text not null,
  period text not null check (period in ('day', 'week', 'month')),
  starts_on date not null,
  campaign_id uuid references campaigns (id),
  spent_micros bigint not null default 0,
  held_micros bigint not null default 0,
  primary key (scope, period, starts_on)
);

create table budget_entries (
  -- <run id>/<step name>/<attempt>: reserving twice under one key holds once.
  key text primary key,
  campaign_id uuid not null references campaigns (id),
  run_id uuid not null references campaign_runs (id),
  step_name text not null,
  state text not null check (state in ('held', 'settled')),
  held_micros bigint not null check (held_micros >= 0),
  spent_micros bigint not null default 0 check (spent_micros >= 0),
  cost_unknown boolean not null default false,
  -- [{scope, period, starts_on, limit}]: the counters this entry is part of, with the limits it was admitted under.
  periods jsonb not null,
  created_at timestamptz not null,
  settled_at timestamptz
);
create index budget_entries_run on budget_entries (run_id, step_name);
create index budget_entries_history on budget_entries (campaign_id, step_name, created_at desc)
  where state = 'settled' and spent_micros > 0 and not cost_unknown;

create table budget_alerts (
  scope text not null,
  period text not null,
  starts_on date not null,
  percent integer not null,
  campaign_id uuid references campaigns (id),
  limit_micros bigint not null,
  spent_micros bigint not null,
  raised_at timestamptz not null,
  primary key (scope, period, starts_on, percent)
);
