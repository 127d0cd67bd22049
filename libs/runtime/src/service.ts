import type { ErrorKind } from "@medvault/contracts";
import type { Digest } from "@medvault/crypto";
import type { Keyring, SealedTable } from "@medvault/keys";
import type { Appender, Broker, ConsumerOptions } from "@medvault/messaging";
import type { PoolOptions, ServiceName } from "@medvault/postgres";
import type {
  CheckState,
  CommonConfig,
  Contents,
  Delegations,
  JsonLimit,
  Logger,
  People,
  Route,
  Tls,
} from "@medvault/service-kit";
import type { Request } from "express";
import type { Redis } from "ioredis";
import type pg from "pg";
import type { z } from "zod";
import type { Job } from "./job.ts";

/** What every service is given; its own context is made of it. */
export interface Parts<C = CommonConfig> {
  readonly config: C;
  readonly pool: pg.Pool;
  readonly keyring: Keyring;
  /** With which content is hashed before it is signed: the deployment's choice. */
  readonly digest: Digest;
  readonly broker: Broker;
  /** For the events of what has no transaction of its own. */
  readonly appender: Appender;
  /** Throws for a service whose settings have no REDIS_URL. */
  readonly redis: Redis;
  readonly logger: Logger;
  readonly tls: Tls;
  now(): Date;
  /** Runs at the end of a drain, after jobs and consumers, last first; the parts are still open. */
  onStop(step: () => Promise<unknown> | unknown): void;
}

/** A queue, and what is done with each batch, in the transaction that marks it as received. */
export interface Consumption extends Omit<ConsumerOptions, "broker" | "pool"> {
  /**
   * Given the switch of a consumer that may run only at times (a writer while it holds its lease):
   * nothing is consumed before it is turned on.
   */
  readonly held?: (consumer: HeldConsumer) => void;
}

export interface HeldConsumer {
  start(): void;
  /** As Consumer's `stop`; it can be started again. */
  stop(): Promise<void>;
}

/** A check of readiness: what it depends on. A rejection is `down`. */
export type Check = () => CheckState | Promise<unknown>;

/** One of the numbers of a metric that has labels. Their values are few: never an id. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export type Reading = number | readonly Sample[] | undefined;

/** What is read when metrics are asked for. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  /** Default `gauge`; a `counter` falls at a start alone. */
  readonly kind?: "gauge" | "counter";
  readonly labelNames?: readonly string[];
  /** Undefined: not known now. What takes a query is read through `looked` (metrics.ts). */
  read(): Reading | Promise<Reading>;
}

/** What a service adds to the parts of all. (Methods, so that any service is a `Service`.) */
export interface ServiceDeclaration<C extends z.ZodObject, X> {
  readonly name: ServiceName;
  /** The schema of its settings: an extension of CommonConfig. */
  readonly config: C;
  /** Its tables with sealed rows, which follow the operator's policy. */
  readonly tables?: readonly Pick<SealedTable<object>, "declaration" | "adopt">[];
  /** How its connections to Postgres differ from the defaults. */
  pool?(config: z.infer<C>): Pick<PoolOptions, "max" | "prepared">;
  /** Looks into what its own settings name, before anything is opened. */
  readonly contents?: Contents;
  /** Opens what its use cases share. What it throws ends the boot. */
  open(parts: Parts<z.infer<C>>): X | Promise<X>;
  routes(context: X): readonly Route[];
  /** Who says how those are called whom its answers name. */
  people?(context: X): People;
  /** Who says in whose name a job asks (ADR 23). Default: no job may ask this service. */
  delegations?(context: X): Delegations;
  consumers?(context: X): readonly Consumption[];
  jobs?(context: X): readonly Job[];
  metrics?(context: X): readonly Metric[];
  /** Asked at each readiness. Beside Postgres, the broker and Redis, which are always checked. */
  checks?(context: X): Readonly<Record<string, Check>>;
  /** The noun of its refusals' events, `medvault.<service>.<noun>.denied.v1`; default `request`. */
  readonly refusalNoun?: string;
  /** Kinds of refusals that leave an event besides 401, 403, 404 and 500. */
  readonly evidence?: readonly ErrorKind[];
  readonly jsonLimitBytes?: JsonLimit;
  /** Requests whose JSON keeps the digits of its numbers (service-kit's README). */
  readonly isLossless?: (req: Request) => boolean;
}

/** A declared service of any settings and context. */
export type Service = ServiceDeclaration<z.ZodObject, unknown>;

/** Declares a service: what it adds to what every service joins (README.md). */
export function defineService<C extends z.ZodObject, X>(
  declaration: ServiceDeclaration<C, X>,
): ServiceDeclaration<C, X> {
  return declaration;
}
