-- Campaigns, their fires, runs, steps and events. Money is integer micro-dollars; the decimal
-- columns asked for by the pipeline document are generated from them. Ids are made by the service
-- (uuid version 7, so ordering by id is ordering by time). Columns holding a time end in _at or _for.

create table campaigns (
  id uuid primary key,
  name text not null,
  description text,
  config jsonb not null,
  schedule_cron text,
  schedule_timezone text not null default 'UTC',
  status text not null default 'active' check (status in ('active', 'paused', 'completed', 'error')),
  status_reason text,
  paused_by text check (paused_by in ('operator', 'budget', 'file')),
  resume_at timestamptz,
  source_file text,
  source_hash text,
  last_run_at timestamptz,
  -- The next nominal time of the schedule, and that time plus the campaign's jitter.
  next_run_at timestamptz,
  due_at timestamptz,
  total_runs integer not null default 0,
  total_cost_micros bigint not null default 0,
  total_cost numeric(20, 6) generated always as (total_cost_micros / 1000000.0) stored,
  project_id uuid,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz
);
create unique index campaigns_source_file on campaigns (source_file) where deleted_at is null;
create index campaigns_due on campaigns (due_at) where deleted_at is null and due_at is not null;
create index campaigns_resume on campaigns (resume_at) where resume_at is not null and deleted_at is null;

create table campaign_runs (
  id uuid primary key,
  campaign_id uuid not null references campaigns (id),
  trigger text not null check (trigger in ('schedule', 'catch_up', 'manual', 'retry')),
  scheduled_for timestamptz,
  retry_of uuid references campaign_runs (id),
  definition jsonb not null,
  status text not null default 'queued' check (status in
    ('queued', 'running', 'waiting', 'completed', 'partial', 'failed', 'aborted', 'cancelled')),
  status_reason text,
  -- A queued run with this flag starts only when no earlier run of its campaign is active.
  waits_for_earlier boolean not null default false,
  -- Fencing token: raised by every claim; a write carrying an older epoch is refused.
  epoch integer not null default 0,
  claimed_by text,
  lease_until_at timestamptz,
  cancel_requested_at timestamptz,
  cancel_reason text,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  completed_at timestamptz,
  steps_total integer not null default 0,
  steps_completed integer not null default 0,
  steps_failed integer not null default 0,
  prospects_generated integer not null default 0,
  leads_analyzed integer not null default 0,
  emails_composed integer not null default 0,
  emails_sent integer not null default 0,
  total_cost_micros bigint not null default 0,
  total_cost numeric(20, 6) generated always as (total_cost_micros / 1000000.0) stored,
  cost_unknown boolean not null default false,
  dry_run boolean not null default false,
  results jsonb not null default '{}',
  errors jsonb not null default '[]',
  event_seq integer not null default 0
);
create index campaign_runs_history on campaign_runs (campaign_id, id desc);
create index campaign_runs_active on campaign_runs (campaign_id, status)
  where status in ('queued', 'running', 'waiting');
create index campaign_runs_sweep on campaign_runs (status, lease_until_at) where status in ('queued', 'running');

create table run_steps (
  run_id uuid not null references campaign_runs (id),
  name text not null,
  position integer not null,
  kind text not null,
  effect text not null check (effect in ('repeatable', 'once')),
  status text not null check (status in
    ('running', 'completed', 'empty', 'failed', 'unknown', 'skipped', 'cancelled')),
  attempts integer not null default 0,
  started_at timestamptz,
  completed_at timestamptz,
  cost_micros bigint not null default 0,
  cost_unknown boolean not null default false,
  counts jsonb not null default '{}',
  output jsonb,
  error jsonb,
  attempt_log jsonb not null default '[]',
  carried_from uuid,
  primary key (run_id, name)
);

create table run_events (
  run_id uuid not null references campaign_runs (id),
  seq integer not null,
  type text not null,
  occurred_at timestamptz not null,
  data jsonb not null default '{}',
  primary key (run_id, seq)
);

-- One row for each nominal time of each schedule, saying what became of it.
create table campaign_fires (
  id uuid primary key,
  campaign_id uuid not null references campaigns (id),
  scheduled_for timestamptz not null,
  effective_for timestamptz not null,
  outcome text not null check (outcome in ('ran', 'caught_up', 'skipped')),
  reason text,
  detail text,
  missed_count integer not null default 1,
  run_id uuid references campaign_runs (id),
  created_at timestamptz not null default now(),
  unique (campaign_id, scheduled_for)
);

-- Decisions taken without a person: why a fire was skipped, a run stopped, a campaign paused.
create table agent_decisions (
  id uuid primary key,
  agent text not null,
  action text not null,
  campaign_id uuid references campaigns (id),
  run_id uuid references campaign_runs (id),
  decided_at timestamptz not null,
  reasoning text not null,
  confidence numeric(4, 3) not null check (confidence between 0 and 1),
  predicted jsonb not null default '{}',
  evidence jsonb not null default '{}'
);
create index agent_decisions_run on agent_decisions (run_id) where run_id is not null;

create table idempotency_keys (
  key text primary key,
  request_hash text not null,
  status integer,
  response jsonb,
  created_at timestamptz not null default now()
);
create index idempotency_keys_age on idempotency_keys (created_at);
