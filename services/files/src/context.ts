import type { Keyring } from "@medvault/keys";
import type { Appender } from "@medvault/messaging";
import type { Parts } from "@medvault/runtime";
import {
  type Delegations,
  delegationsOf,
  type Logger,
  type People,
  peopleClient,
} from "@medvault/service-kit";
import type pg from "pg";
import type { FilesConfig } from "./config.ts";
import { type ArchiveSources, archiveSources } from "./exports/archive-source.client.ts";
import { type DelegateClient, delegateClient } from "./exports/delegate.client.ts";
import type { AddedTypes } from "./files/added-kinds.ts";
import { BlobStore } from "./files/blob.store.ts";
import { type RecordsClient, recordsClient } from "./files/records.client.ts";

/** How much the files of one patient may take. */
export interface Quota {
  maxBytes: number;
  maxFiles: number;
}

/** What every use case of this service works with. */
export interface Context {
  readonly pool: pg.Pool;
  readonly keyring: Keyring;
  readonly appender: Appender;
  readonly blobs: BlobStore;
  readonly records: RecordsClient;
  readonly people: People;
  /** In whose name a job of this service asks the others, and by what. */
  readonly delegations: Delegations;
  readonly delegates: DelegateClient;
  readonly sources: ArchiveSources;
  readonly logger: Logger;
  readonly maxFileBytes: number;
  /** What the operator has stored besides. */
  readonly addedTypes: AddedTypes;
  /** `unvouched`: of patients for whom no staff has answered yet. */
  readonly quotas: { patient: Quota; unvouched: Quota };
  /** How long an archive to take away is kept, and how large it may be. */
  readonly exports: { keepMs: number; maxBytes: number };
}

/** Throws when the store's directory cannot be written. */
export async function openContext(parts: Parts<FilesConfig>): Promise<Context> {
  const { config, pool, keyring, appender, logger, tls, onStop } = parts;
  const blobs = await BlobStore.open(config.MEDVAULT_FILES_DIR);
  const records = recordsClient(config.MEDVAULT_RECORDS_URL, tls);
  onStop(() => blobs.close());
  const people = peopleClient(config.MEDVAULT_AUTH_URL, tls);
  const delegations = delegationsOf(config.MEDVAULT_AUTH_URL, tls);
  const delegates = delegateClient(config.MEDVAULT_AUTH_URL, tls);
  const urls = { records: config.MEDVAULT_RECORDS_URL, audit: config.MEDVAULT_AUDIT_URL };
  const sources = archiveSources(urls, tls);
  for (const client of [records, people, delegations, delegates, sources]) onStop(() => client.close());
  const quotas = {
    patient: { maxBytes: config.MEDVAULT_FILES_QUOTA_BYTES, maxFiles: config.MEDVAULT_FILES_QUOTA_FILES },
    unvouched: {
      maxBytes: config.MEDVAULT_FILES_UNVOUCHED_QUOTA_BYTES,
      maxFiles: config.MEDVAULT_FILES_UNVOUCHED_QUOTA_FILES,
    },
  };
  const [maxFileBytes, addedTypes] = [config.MEDVAULT_MAX_UPLOAD_BYTES, config.MEDVAULT_FILES_TYPES];
  const exports = {
    keepMs: config.MEDVAULT_EXPORT_HOURS * 3600_000,
    maxBytes: config.MEDVAULT_EXPORT_MAX_BYTES,
  };
  const others = { records, people, delegations, delegates, sources };
  return { pool, keyring, appender, logger, blobs, ...others, quotas, exports, maxFileBytes, addedTypes };
}
