-- The files of patients. What is readable here: ids, the kind of content, sizes, times. Name, hash of the
-- content and the file's own key are in the sealed box, which is bound to every typed column but created_at.
create table files (
  id            uuid primary key,
  patient_id    uuid not null,
  attached_to   text check (attached_to ~ '^[a-z]+/[0-9a-f-]{36}$'),
  content_type  text not null,
  size_bytes    bigint not null check (size_bytes >= 0),
  state         text not null check (state in ('stored')),
  uploaded_by   uuid not null,
  -- the blob's random name on disk, its length and the SHA-256 of its ciphertext: what a backup copies by
  blob          uuid not null unique,
  blob_bytes    bigint not null check (blob_bytes > 0),
  blob_sha256   text not null check (blob_sha256 ~ '^[0-9a-f]{64}$'),
  created_at    timestamptz not null default now(),
  rev           integer not null check (rev >= 1),
  open          jsonb not null,
  sealed        bytea not null
);

-- Both lists page by id, which is a UUIDv7 and so rises with time.
create index files_by_patient on files (patient_id, id desc);
create index files_by_attachment on files (attached_to, id desc) where attached_to is not null;
