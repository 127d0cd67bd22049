import type { Digest } from "@medvault/crypto";
import type { Letterhead } from "@medvault/documents";
import { type Keyring, LiveIndexes, type SealedTable, TokenChain } from "@medvault/keys";
import type { Appender } from "@medvault/messaging";
import { createReader, createReplicaPool, type Db } from "@medvault/postgres";
import type { Parts } from "@medvault/runtime";
import { type Delegations, delegationsOf, type People, peopleClient } from "@medvault/service-kit";
import type pg from "pg";
import { type AuthClient, authClient } from "./access/auth.client.ts";
import { Turns } from "./access/turns.ts";
import { type FeedClient, feedClient } from "./appointments/feed.client.ts";
import type { Hours } from "./appointments/opening-hours.ts";
import type { RecordsConfig } from "./config.ts";
import { type ProofClient, proofClient } from "./erasure/proof.client.ts";
import { RelationWatch } from "./relations/relation-watch.ts";
import { rowLogClient } from "./row-check/row-log.client.ts";
import type { RowLog } from "./row-check/row-log.ts";
import { openSearch, type Search } from "./search/search.service.ts";
import { fhirSources, indexedTables, patientIdentifiers } from "./tables.ts";

/** What the operator says of the clinic. */
interface Clinic {
  /** Of the IANA database. */
  readonly timeZone: string;
  readonly hours: Hours;
  /** Whether patients may ask for an appointment. */
  readonly takesRequests: boolean;
  /** At the top of what is printed. */
  readonly letterhead: Letterhead;
}

/** What every use case of this service works with. */
export interface Context {
  readonly pool: pg.Pool;
  /** For lists and searches: a replica where there is one, and never older than `pool`. */
  readonly reader: Db;
  readonly keyring: Keyring;
  /** For the events of what has no transaction of its own. */
  readonly appender: Appender;
  readonly indexes: Indexes;
  readonly search: Search;
  readonly turns: Turns;
  readonly auth: AuthClient;
  readonly people: People;
  /** Who opened whose chart, for what they may be to each other. */
  readonly relations: RelationWatch;
  readonly feeds: FeedClient;
  readonly proofs: ProofClient;
  readonly delegations: Delegations;
  /** What the audit log says of our rows. */
  readonly rowLog: RowLog;
  readonly clinic: Clinic;
  /** With which content is hashed before it is signed: the deployment's choice. */
  readonly digest: Digest;
  /** How many days before its end a prescription is announced. */
  readonly reminderDays: number;
  /** For how many hours an erasure waits for a second person; null: it waits for nobody. */
  readonly erasureApprovalHours: number | null;
  /** For how long an emergency opens a chart. */
  readonly breakGlassMinutes: number;
}

/** Opens the index keys, and says which indexes are not complete yet. */
export async function openContext(parts: Parts<RecordsConfig>): Promise<Context> {
  const { config, pool, keyring, appender, digest, logger, tls, onStop } = parts;
  const auth = authClient(config.MEDVAULT_AUTH_URL, tls);
  const names = peopleClient(config.MEDVAULT_AUTH_URL, tls);
  const relations = new RelationWatch();
  const people: People = {
    ...names,
    namesOf(caller, ids) {
      relations.met(caller, Date.now());
      return names.namesOf(caller, ids);
    },
  };
  const noting: Appender = {
    ...appender,
    async append(...events) {
      await appender.append(...events);
      relations.note(events, Date.now());
    },
  };
  onStop(() => auth.close());
  const feeds = feedClient(config.MEDVAULT_AUTH_URL, tls);
  onStop(() => people.close());
  onStop(() => feeds.close());
  const proofs = proofClient(config.MEDVAULT_AUDIT_URL, tls);
  onStop(() => proofs.close());
  const delegations = delegationsOf(config.MEDVAULT_AUTH_URL, tls);
  onStop(() => delegations.close());
  const rowLog = rowLogClient(config.MEDVAULT_AUDIT_URL, tls, appender);
  onStop(() => rowLog.close());
  const indexes = await openIndexes(pool, keyring);
  for (const table of indexedTables) {
    for (const index of indexes.of(table).incomplete) {
      const says =
        "an index is not complete: a search by it opens every row in reach until `keys reindex` is done";
      logger.warn({ table: table.declaration.table, index }, says);
    }
  }
  const reader = openReader(parts);
  const search = openSearch({ db: reader, primary: pool, keyring }, config.MEDVAULT_SEARCH_MEMORY_MIB);
  onStop(() => search.stop());
  const turns = new Turns();
  const clinic = {
    timeZone: config.MEDVAULT_CLINIC_TIME_ZONE,
    hours: config.MEDVAULT_CLINIC_HOURS,
    takesRequests: config.MEDVAULT_APPOINTMENT_REQUESTS === "on",
    letterhead: {
      name: config.MEDVAULT_CLINIC_NAME,
      lines: [...config.MEDVAULT_CLINIC_ADDRESS, config.MEDVAULT_CLINIC_PHONE].filter((line) => line !== ""),
      logo: config.MEDVAULT_CLINIC_LOGO_FILE ?? null,
    },
  };
  const breakGlassMinutes = config.MEDVAULT_BREAK_GLASS_MINUTES;
  const reminderDays = config.MEDVAULT_REMINDER_DAYS;
  const erasureApprovalHours =
    config.MEDVAULT_ERASURE_APPROVAL === "on" ? config.MEDVAULT_ERASURE_APPROVAL_HOURS : null;
  const own = {
    proofs,
    rowLog,
    erasureApprovalHours,
    indexes,
    search,
    turns,
    clinic,
    breakGlassMinutes,
    reminderDays,
  };
  return {
    ...{ pool, reader, keyring, appender: noting, auth, people, relations, feeds, delegations, digest },
    ...own,
  };
}

/** The primary alone, where no replica is set. */
function openReader({ config, pool, tls, onStop }: Parts<RecordsConfig>): Db {
  const connectionString = config.MEDVAULT_READ_DATABASE_URL;
  if (connectionString === undefined) return pool;
  const replica = createReplicaPool({
    ...{ connectionString, tls: tls.outgoing, applicationName: "records", schema: "records" },
    ...{ max: config.MEDVAULT_RECORDS_CONNECTIONS, prepared: true },
  });
  onStop(() => replica.end());
  return createReader(pool, replica);
}

/** The blind indexes. A rebuild may change their keys under a running process. */
export interface Indexes {
  /** Of a declared table that has some. */
  of<T extends object>(table: SealedTable<T>): LiveIndexes<T>;
  /** Of patients' identifiers, by which an import finds its patient. */
  readonly identifiers: TokenChain;
  /** Of what an import has stored already. */
  readonly sources: TokenChain;
}

/**
 * Opens the index keys, made at first use: once, at boot, so that no transaction waits for
 * another's first use.
 */
export async function openIndexes(db: Db, keyring: Keyring): Promise<Indexes> {
  const open = new Map<object, LiveIndexes<never>>();
  for (const table of indexedTables) open.set(table, await LiveIndexes.open(db, keyring, table));
  return {
    of: <T extends object>(table: SealedTable<T>) => {
      const indexes = open.get(table);
      if (!indexes) throw new TypeError(`${table.declaration.table} has no index`);
      return indexes as unknown as LiveIndexes<T>;
    },
    identifiers: await TokenChain.open(db, keyring, patientIdentifiers),
    sources: await TokenChain.open(db, keyring, fhirSources),
  };
}
