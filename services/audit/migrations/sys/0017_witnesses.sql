-- Expand: who cosigned which checkpoint, and who does not answer or disagrees.

-- One row per checkpoint and witness: the signature line as the witness gave it, checked before it is stored. Rows of
-- a day ago are deleted; a line proves itself and can be asked for again.
create table cosignatures (
  size bigint not null check (size > 0),
  witness text not null,
  line text not null,
  signed_at timestamptz not null,
  primary key (size, witness)
);

-- One row per witness: the size that it cosigned last, and since when and why it has failed. told: an event says so.
create table witnesses (
  name text primary key,
  size bigint not null default 0 check (size >= 0),
  failing_since timestamptz,
  reason text,
  told boolean not null default false
);
