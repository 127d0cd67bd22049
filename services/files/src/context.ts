import type { Keyring } from "@medvault/keys";
import type { Appender } from "@medvault/messaging";
import type { Parts } from "@medvault/runtime";
import { type People, peopleClient } from "@medvault/service-kit";
import type pg from "pg";
import type { FilesConfig } from "./config.ts";
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
  readonly maxFileBytes: number;
  /** What the operator has stored besides. */
  readonly addedTypes: AddedTypes;
  /** `unvouched`: of patients for whom no staff has answered yet. */
  readonly quotas: { patient: Quota; unvouched: Quota };
}

/** Throws when the store's directory cannot be written. */
export async function openContext(parts: Parts<FilesConfig>): Promise<Context> {
  const { config, pool, keyring, appender, tls, onStop } = parts;
  const blobs = await BlobStore.open(config.MEDVAULT_FILES_DIR);
  const records = recordsClient(config.MEDVAULT_RECORDS_URL, tls);
  onStop(() => blobs.close());
  const people = peopleClient(config.MEDVAULT_AUTH_URL, tls);
  onStop(() => records.close());
  onStop(() => people.close());
  const quotas = {
    patient: { maxBytes: config.MEDVAULT_FILES_QUOTA_BYTES, maxFiles: config.MEDVAULT_FILES_QUOTA_FILES },
    unvouched: {
      maxBytes: config.MEDVAULT_FILES_UNVOUCHED_QUOTA_BYTES,
      maxFiles: config.MEDVAULT_FILES_UNVOUCHED_QUOTA_FILES,
    },
  };
  const [maxFileBytes, addedTypes] = [config.MEDVAULT_MAX_UPLOAD_BYTES, config.MEDVAULT_FILES_TYPES];
  return { pool, keyring, appender, blobs, records, people, quotas, maxFileBytes, addedTypes };
}
