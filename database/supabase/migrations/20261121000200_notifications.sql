-- The outbox: a message is a row before it is sent, committed together with what it tells about.

create table notifications (
  id uuid primary key,
  dedupe_key text not null unique,
  kind text not null,
  notifier text not null check (notifier in ('email', 'slack')),
  recipient text not null,
  campaign_id uuid references campaigns (id),
  run_id uuid references campaign_runs (id),
  facts jsonb not null,
  status text not null default 'pending' check (status in ('pending', 'sending', 'sent', 'failed', 'undeliverable')),
  attempts integer not null default 0,
  next_attempt_at timestamptz not null,
  lease_until_at timestamptz,
  last_error text,
  created_at timestamptz not null,
  sent_at timestamptz
);
create index notifications_pending on notifications (notifier, next_attempt_at) where status in ('pending', 'sending');
create index notifications_campaign on notifications (campaign_id, id desc);

-- An episode of trouble: the first failure opens it and alerts, the same failure again only counts,
-- the next success closes it with one recovery notice.
create table alert_episodes (
  campaign_id uuid not null references campaigns (id),
  key text not null,
  opened_at timestamptz not null,
  notified_at timestamptz not null,
  closed_at timestamptz,
  occurrences integer not null default 1,
  primary key (campaign_id, key)
);
