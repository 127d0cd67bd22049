import type { Appender } from "@medvault/messaging";
import type { Logger } from "@medvault/service-kit";
import type pg from "pg";
import type { BodySeal } from "./log/body-seal.ts";
import type { CheckpointSigner } from "./log/signer.ts";
import type { OutsideStore } from "./outside/outside.store.ts";

/** The log in Postgres, what is kept of it outside, and the keys of both. */
export interface LogContext {
  readonly pool: pg.Pool;
  readonly outside: OutsideStore;
  readonly seal: BodySeal;
  readonly signer: CheckpointSigner;
  readonly logger: Logger;
  readonly now: () => Date;
}

/** What the use cases share. */
export interface Context extends LogContext {
  /** A use case awaits the event of what it did before it answers. */
  readonly appender: Pick<Appender, "append">;
  /** The longest that a proof waits for its checkpoint. */
  readonly proofWaitMs: number;
  /** One verification at a time: each reads the whole log. */
  readonly verification: { isRunning: boolean };
}
