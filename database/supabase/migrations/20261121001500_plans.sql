-- Plans of 90 days: approved arcs, weekly moves, readings of their KPIs, pivots, and what agents did with tools.

create table plans (
  id uuid primary key,
  workspace text not null,
  name text not null,
  state text not null check (state in ('planning', 'active', 'rejected', 'failed', 'ended')),
  state_reason text,
  context jsonb not null,
  starts_on date not null,
  arc_version integer not null default 0,
  requested_by text not null,
  run_id uuid,
  version integer not null default 1,
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create index plans_workspace on plans (workspace, id desc);
create index plans_active on plans (workspace, id) where state = 'active';

create table arc_versions (
  plan_id uuid not null references plans (id),
  arc_version integer not null,
  arc jsonb not null,
  evidence jsonb not null default '[]',
  diff jsonb not null default '[]',
  changes jsonb not null default '[]',
  reason text not null,
  approved_by text,
  approval_id uuid,
  pivot_id uuid,
  run_id uuid,
  model text not null,
  created_at timestamptz not null,
  primary key (plan_id, arc_version)
);

create table moves (
  id uuid primary key,
  plan_id uuid not null references plans (id),
  arc_version integer not null,
  week integer not null check (week between 1 and 13),
  starts_on date not null,
  ends_on date not null,
  phase text not null,
  title text not null,
  hypothesis text not null,
  evidence jsonb not null default '[]',
  channel text not null,
  owner text not null,
  tasks jsonb not null default '[]',
  kpi text not null,
  expected jsonb not null,
  depends_on jsonb not null default '[]',
  effort_hours numeric(8, 2) not null,
  priority integer not null,
  budget_micros bigint not null default 0,
  state text not null default 'planned' check (state in ('planned', 'in_progress', 'blocked', 'done', 'dropped')),
  state_note text,
  history jsonb not null default '[]',
  assets jsonb not null default '[]',
  run_id uuid,
  approval_id uuid,
  version integer not null default 1,
  created_at timestamptz not null,
  updated_at timestamptz not null
);
create index moves_plan on moves (plan_id, week, id);
create index moves_list on moves (id desc);

create table kpi_readings (
  plan_id uuid not null references plans (id),
  kpi text not null,
  observed_at timestamptz not null,
  value double precision not null,
  source text not null,
  read_at timestamptz not null,
  primary key (plan_id, kpi, observed_at)
);

create table kpi_alerts (
  plan_id uuid not null references plans (id),
  kpi text not null,
  colour text not null check (colour in ('green', 'amber', 'red', 'unknown')),
  since_at timestamptz not null,
  changes integer not null default 0,
  problem text,
  looked_at timestamptz not null,
  primary key (plan_id, kpi)
);

create table pivots (
  id uuid primary key,
  plan_id uuid not null references plans (id),
  from_version integer not null,
  state text not null check (state in ('proposed', 'approved', 'rejected', 'expired', 'withdrawn')),
  proposal jsonb not null,
  variance jsonb not null,
  evidence_hash text not null,
  to_version integer,
  decided_by text,
  reason text,
  run_id uuid,
  approval_id uuid,
  created_at timestamptz not null,
  decided_at timestamptz
);
create index pivots_plan on pivots (plan_id, id desc);

create table tool_calls (
  id uuid primary key,
  run_id uuid not null,
  step_name text not null,
  tool text not null,
  arguments jsonb not null,
  outcome text not null check (outcome in ('completed', 'refused', 'failed')),
  result jsonb not null,
  cost_micros bigint not null default 0,
  duration_ms integer not null,
  called_at timestamptz not null
);
create index tool_calls_run on tool_calls (run_id, id);

do $$
declare
  t text;
begin
  foreach t in array array['plans', 'arc_versions', 'moves', 'kpi_readings', 'kpi_alerts', 'pivots', 'tool_calls'] loop
    execute format('alter table %I enable row level security', t);
    if exists (select from pg_roles where rolname = 'service_role') then
      execute format('revoke all on table %I from public, anon, authenticated', t);
      execute format('grant select, insert, update, delete on table %I to service_role', t);
    end if;
  end loop;
end $$;
