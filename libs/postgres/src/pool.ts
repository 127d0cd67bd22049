import type { ConnectionOptions } from "node:tls";
import pg from "pg";
import { clientClass } from "./client.ts";
import { connectionOf } from "./connection.ts";
import { ownDeadline } from "./deadline.ts";
import { isConnectionLost, isRetryable, toDatabaseError, UnsafeInteger } from "./errors.ts";
import { quoteIdentifier } from "./identifiers.ts";
import { keepNames, renewedAfter, StatementNames } from "./prepared.ts";
import { noteRoom } from "./room.ts";

export interface PoolOptions {
  /** Plain, or with `?sslmode=verify-full` (connection.ts). */
  connectionString: string;
  /** Whom to trust, and who calls; asked again at each connection. */
  tls?: ConnectionOptions | undefined;
  /** Shown in pg_stat_activity; the service's name. */
  applicationName: string;
  /** Connections at most; default 10. */
  max?: number;
  /** Default 10,000. The client gives up 2 s later even if the server says nothing. */
  statementTimeoutMs?: number;
  /** Default 3,000. */
  lockTimeoutMs?: number;
  /** Waiting for a free or a new connection; default 2,000. */
  connectTimeoutMs?: number;
  /**
   * Prepare statements with values under names, once a connection: for constant texts. The URL's
   * `prepared_statements=off` forbids it, for a pooler that does not know them.
   */
  prepared?: boolean;
  /** Sets search_path to "<schema>, <schema>_sys"; default: the role's setting in the database. */
  schema?: string;
}

const OID = { int8: 20, date: 1082, timestamp: 1114, dateArray: 1182 } as const;

function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new UnsafeInteger();
  return value;
}

// Arrays of text split as arrays of dates do; the index type of pg-types knows scalars only.
const TEXT_ARRAY: number = 1009;

const asText = (text: string): string => text;

// A date has no time zone: as a Date it shifts by a day west of Greenwich. So does a timestamp.
const parsers: Record<number, (text: string) => unknown> = {
  [OID.int8]: parseInt8,
  [OID.date]: asText,
  [OID.timestamp]: asText,
  [OID.dateArray]: (text) => pg.types.getTypeParser(TEXT_ARRAY, "text")(text),
};

/** date and timestamp come as text, bigint as number or UnsafeInteger, the rest as pg does. */
const columnTypes: pg.CustomTypesConfig = {
  getTypeParser: (oid: number, format?: "text" | "binary") =>
    parsers[oid] ?? pg.types.getTypeParser(oid, format === "binary" ? "text" : (format ?? "text")),
};

type Lent = (
  error: Error | undefined,
  client: pg.PoolClient | undefined,
  release: (error?: Error | boolean) => void,
) => void;

class DatabasePool extends pg.Pool {
  // pg's query has eight overloads that one override cannot repeat; it maps promises alone.
  override query = ((...args: Parameters<pg.Pool["query"]>) => {
    const answer: unknown = super.query(...args);
    if (!(answer instanceof Promise)) return answer;
    return answer
      .catch((error: unknown) => {
        // Nothing of it happened: a statement alone is a transaction.
        if (!renewedAfter(this, error) && !isRetryable(error)) throw error;
        return super.query(...args);
      })
      .catch((error: unknown) => {
        noteRoom(this, error);
        throw toDatabaseError(error);
      });
  }) as pg.Pool["query"];

  override connect = ((callback?: Lent) => {
    // `query` sends its statement in the callback, which whoever gives a connection back calls.
    if (callback) return this.#lend(ownDeadline(callback));
    return new Promise((resolve, reject) => {
      this.#lend((error, client) => (client ? resolve(client) : reject(error)));
    });
  }) as pg.Pool["connect"];

  readonly #usedAt = new WeakMap<pg.PoolClient, number>();
  #lostAt = Number.NEGATIVE_INFINITY;

  constructor(config: pg.PoolConfig) {
    super(config);
    this.on("release", (error: Error | boolean | undefined, client) => {
      const now = performance.now();
      this.#usedAt.set(client, now);
      if (error === true || (error && isConnectionLost(error))) this.#lostAt = now;
    });
  }

  /** What idled while another connection was lost may be as dead, and would cost a whole wait. */
  #lend(callback: Lent): void {
    super.connect((error, client, release) => {
      if (!client || (this.#usedAt.get(client) ?? Number.POSITIVE_INFINITY) >= this.#lostAt)
        return callback(error, client, release);
      release(new Error("it idled while another was lost"));
      this.#lend(callback);
    });
  }
}

/**
 * A pool whose every wait is bounded and whose lost connections never end the process. `query`
 * throws DatabaseUnavailable, or any other error as pg gives it. Throws TlsModeRefused.
 */
export function createPool(options: PoolOptions): pg.Pool {
  const statementTimeoutMs = options.statementTimeoutMs ?? 10_000;
  const { schema } = options;
  const names = options.prepared && mayPrepare(options.connectionString) ? new StatementNames() : null;
  const pool = new DatabasePool({
    ...connectionOf(options.connectionString, options.tls),
    application_name: options.applicationName,
    max: options.max ?? 10,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 2_000,
    idleTimeoutMillis: 30_000,
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs + 2_000,
    lock_timeout: options.lockTimeoutMs ?? 3_000,
    idle_in_transaction_session_timeout: 30_000,
    keepAlive: true,
    types: columnTypes,
    Client: clientClass(names),
    ...(schema === undefined ? {} : { options: `-c search_path=${searchPathOption(schema)}` }),
  });
  if (names) keepNames(pool, names);
  // Without a listener the loss of a connection, idle or in a transaction, ends the process.
  pool.on("error", () => {});
  pool.on("connect", (client) => {
    client.on("error", () => {});
  });
  return pool;
}

function mayPrepare(connectionString: string): boolean {
  return new URL(connectionString).searchParams.get("prepared_statements") !== "off";
}

function searchPathOption(schema: string): string {
  return `${quoteIdentifier(schema)},${quoteIdentifier(`${schema}_sys`)}`;
}
