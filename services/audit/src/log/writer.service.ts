import { randomUUID } from "node:crypto";
import type { CloudEvent } from "@medvault/contracts";
import { afterCommit, type Tx } from "@medvault/postgres";
import type { HeldConsumer } from "@medvault/runtime";
import type { LogContext } from "../context.ts";
import { type Appended, append } from "./append.service.ts";
import { createFitness, type Fitness } from "./fitness.service.ts";
import { releaseLease, renewLease, takeLease } from "./lease.store.ts";
import { openLog, type Published } from "./opening.service.ts";
import { createOwnEntries, type OwnEntries } from "./own-entries.ts";
import { publish } from "./publication.service.ts";
import { type RefusalCode, WriterFenced, WriterRefuses } from "./writer.errors.ts";
import type { WriterPhase, WriterState } from "./writer.ts";

export interface WriterOptions {
  /** Called once per refusal: it is an event of its own. */
  readonly onRefusal: (code: RefusalCode) => Promise<void>;
  /** Whether events can come at all. */
  readonly hasBroker: () => boolean;
  /** How long a writer that died keeps its standby waiting. */
  readonly leaseMs: number;
  /** Least time between two checkpoints. */
  readonly checkpointMs: number;
  /** Entries that are derived again at the start. */
  readonly maxStartLeaves: number;
  /** Wait after a first failure; doubles, up to 5,000, or 60,000 after a refusal. */
  readonly retryMs: number;
}

/** What is away may soon be back; a refusal needs a person, and each try reads much of the log. */
const MAX_AWAY_RETRY_MS = 5_000;
const MAX_REFUSED_RETRY_MS = 60_000;
/** An append wakes it. */
const IDLE_MS = 10_000;

/** What another process may see otherwise: one whose disk is not mounted finds no checkpoint. */
const OF_OWN_SIGHT: readonly (RefusalCode | undefined)[] = [
  "outside_checkpoint_missing",
  "outside_checkpoint_older",
];

/** The one active writer of the log: any number may run, the lease lets one of them write. */
export class LogWriter {
  readonly #log: LogContext;
  readonly #options: WriterOptions;
  readonly #owner = randomUUID();
  readonly #fitness: Fitness;
  #consumer: HeldConsumer = { start() {}, stop: async () => {} };
  #phase: WriterPhase = "standby";
  #refusal: WriterState["refusal"] = null;
  #epoch: number | null = null;
  #published: Published | null = null;
  #failures = 0;
  #appendDelayMs = 0;
  /** Where the last append left the log; null where that is not known. */
  #size: number | null = null;
  /** What it appended under its present lease. */
  #own: OwnEntries;
  /** Something was appended since the last look. */
  #hasNews = false;
  #stopping = false;
  #wake: () => void = () => {};
  #running: Promise<void> | null = null;

  constructor(log: LogContext, options: WriterOptions) {
    const { hasBroker, leaseMs } = options;
    this.#fitness = createFitness(log, { hasBroker, patienceMs: leaseMs / 4 });
    this.#log = { ...log, outside: this.#fitness.outside };
    this.#own = createOwnEntries(log.seal);
    this.#options = options;
  }

  /** Events are taken from the queue while this process may write, and at no other time. */
  start(consumer: HeldConsumer): void {
    this.#consumer = consumer;
    this.#running ??= this.#run();
  }

  /** Publishes what was appended, gives the lease up. */
  async stop(): Promise<void> {
    this.#stopping = true;
    this.#wake();
    await this.#running;
  }

  state(): WriterState {
    return {
      phase: this.#phase,
      refusal: this.#refusal,
      publishedSize: this.#published?.edge.size ?? 0,
      appendDelayMs: this.#appendDelayMs,
    };
  }

  /** Appends in the consumer's transaction. @throws WriterFenced, WriterRefuses */
  async append(tx: Tx, events: readonly CloudEvent[]): Promise<void> {
    const [epoch, published] = [this.#epoch, this.#published];
    if (epoch === null || published === null || this.#phase !== "writing") throw new WriterFenced();
    const own = this.#own;
    let appended: Appended;
    try {
      const { seal } = this.#log;
      const leastSize = Math.max(published.edge.size, own.size);
      appended = await append(tx, { seal, epoch, size: this.#size, leastSize }, events);
    } catch (error) {
      this.#size = null;
      if (error instanceof WriterRefuses) this.#refuse(error);
      if (error instanceof WriterFenced) this.#loseLease(epoch);
      throw error;
    }
    afterCommit(tx, () => {
      this.#appendDelayMs = delayOf(events, this.#log.now());
      this.#size = appended.size;
      const from = appended.size - appended.rows.length;
      own.add(from, appended.rows);
      this.#log.arrivals.add(from, appended.rows);
      this.#hasNews = true;
      this.#wake();
    });
  }

  async #run(): Promise<void> {
    // Beside the rounds: one of them may take longer than the lease, as opening a long log does.
    const beat = setInterval(() => void this.#renew(), this.#options.leaseMs / 3);
    while (!this.#stopping) await this.#sleep(await this.#turn());
    clearInterval(beat);
    await this.#end();
  }

  /** One round; answers how long to wait for the next unless something wakes it. */
  async #turn(): Promise<{ ms: number; wakeable: boolean }> {
    let epoch: number | null = null;
    try {
      epoch = await this.#holdLease();
      if (epoch === null) return { ms: this.#options.leaseMs / 5, wakeable: false };
      if (this.#refusal !== null) await this.#consumer.stop();
      const before = this.#published ?? (await this.#open(epoch));
      this.#hasNews = false;
      const grew = await this.#publish(epoch, before);
      this.#failures = 0;
      // After a checkpoint the next waits its time; before one, the first event wakes us.
      return grew ? { ms: this.#options.checkpointMs, wakeable: false } : { ms: IDLE_MS, wakeable: true };
    } catch (error) {
      await this.#afterFailure(error, epoch);
      const ms = Math.min(this.#longestRetryMs(), this.#options.retryMs * 2 ** this.#failures);
      this.#failures += 1;
      return { ms, wakeable: false };
    }
  }

  #longestRetryMs(): number {
    if (this.#refusal !== null) return MAX_REFUSED_RETRY_MS;
    return this.#epoch === null ? this.#options.leaseMs / 5 : MAX_AWAY_RETRY_MS;
  }

  async #holdLease(): Promise<number | null> {
    if (this.#epoch !== null) return this.#epoch;
    const { pool, logger } = this.#log;
    const { leaseMs } = this.#options;
    await this.#consumer.stop();
    const isReady = await this.#fitness.isReady();
    this.#phase = isReady ? "standby" : "waiting";
    const lease = await takeLease(pool, { owner: this.#owner, isReady }, leaseMs);
    if (lease === null) return null;
    this.#epoch = lease.epoch;
    this.#failures = 0;
    this.#fitness.begin();
    logger.info({ epoch: lease.epoch }, "audit writer took the lease");
    return lease.epoch;
  }

  /** A lease not renewed in time is still ours until another takes it; then the fence holds. */
  async #renew(): Promise<void> {
    const { pool, logger } = this.#log;
    const epoch = this.#epoch;
    if (epoch === null) return;
    const fails = this.#refusal === null ? this.#failures > 0 : OF_OWN_SIGHT.includes(this.#refusal.code);
    const isInTrouble = this.#fitness.isInTrouble(fails);
    try {
      const kept = await renewLease(pool, epoch, this.#options.leaseMs);
      if (!kept) this.#loseLease(epoch);
      else if (isInTrouble && kept.hasStandby && this.#epoch === epoch) await this.#giveUp(epoch);
    } catch (err) {
      logger.warn({ err }, "audit writer could not renew its lease");
    }
  }

  /** Its round may hang for long yet: whatever that still does is fenced off. */
  async #giveUp(epoch: number): Promise<void> {
    this.#loseLease(epoch);
    await releaseLease(this.#log.pool, epoch);
  }

  async #open(epoch: number): Promise<Published> {
    const { pool, logger } = this.#log;
    const { leaseMs, maxStartLeaves } = this.#options;
    if (this.#refusal === null) this.#phase = "opening";
    // A process that hung since it took the lease would take the store from its successor.
    if (!(await renewLease(pool, epoch, leaseMs))) throw new WriterFenced();
    await this.#log.outside.takeOver(epoch);
    const published = await openLog(this.#log, this.#own, maxStartLeaves);
    // The lease may have gone while the log was read.
    const kept = await renewLease(pool, epoch, leaseMs);
    if (!kept || this.#epoch !== epoch) throw new WriterFenced();
    this.#published = published;
    this.#refusal = null;
    this.#phase = "writing";
    this.#consumer.start();
    logger.info({ treeSize: published.edge.size }, "audit log is open for writing");
    return published;
  }

  async #publish(epoch: number, before: Published): Promise<boolean> {
    const after = await publish(this.#log, this.#own, epoch, before);
    this.#own.forget(after.edge.size);
    // An append may have refused, or found the lease gone, meanwhile; what it found out holds.
    if (this.#published === before) this.#published = after;
    return after !== before;
  }

  async #afterFailure(error: unknown, epoch: number | null): Promise<void> {
    if (error instanceof WriterFenced || (await this.#isNoNews(error, epoch))) this.#loseLease(epoch);
    else if (error instanceof WriterRefuses) this.#refuse(error);
    else {
      // How far the last publication came is not known: the log is opened, and so checked, again.
      this.#published = null;
      if (this.#refusal === null) this.#phase = "waiting";
      this.#log.logger.warn({ err: error }, "audit writer waits");
    }
    await this.#consumer.stop();
  }

  /** A writer that was replaced finds the log and the store changed: by its successor. */
  async #isNoNews(error: unknown, epoch: number | null): Promise<boolean> {
    if (!(error instanceof WriterRefuses) || epoch === null) return false;
    return (await renewLease(this.#log.pool, epoch, this.#options.leaseMs).catch(() => undefined)) === null;
  }

  #refuse(refusal: WriterRefuses): void {
    const { logger } = this.#log;
    const known = this.#refusal?.code === refusal.code;
    this.#published = null;
    this.#phase = "refusing";
    this.#refusal = { code: refusal.code, words: refusal.message };
    if (known) return;
    logger.error({ code: refusal.code, reason: refusal.message }, "audit writer refuses to write");
    this.#options
      .onRefusal(refusal.code)
      .catch((err: unknown) => logger.error({ err }, "a refusal was not announced"));
    this.#wake();
  }

  /** What a straggler of an earlier lease finds out says nothing of the present one. */
  #loseLease(epoch: number | null): void {
    if (this.#epoch === null || this.#epoch !== epoch) return;
    this.#log.logger.warn({ epoch: this.#epoch }, "audit writer was replaced by another");
    this.#epoch = null;
    this.#size = null;
    this.#own = createOwnEntries(this.#log.seal);
    this.#published = null;
    this.#refusal = null;
    this.#phase = "standby";
    void this.#consumer.stop();
  }

  async #end(): Promise<void> {
    const { pool, logger } = this.#log;
    await this.#consumer.stop();
    try {
      const [epoch, before] = [this.#epoch, this.#published];
      if (epoch !== null && before !== null) await this.#publish(epoch, before);
      if (epoch !== null) await releaseLease(pool, epoch);
    } catch (error) {
      logger.warn({ err: error }, "audit writer stopped without a last checkpoint");
    }
    this.#phase = "stopped";
  }

  #sleep({ ms, wakeable }: { ms: number; wakeable: boolean }): Promise<void> {
    if (this.#stopping || (wakeable && this.#hasNews)) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        if (!wakeable && !this.#stopping && this.#refusal === null) return;
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Since the oldest of them; by the clocks of two processes, hence never below 0. */
function delayOf(events: readonly CloudEvent[], now: Date): number {
  const oldest = events.reduce((least, { time }) => Math.min(least, Date.parse(time)), now.getTime());
  return now.getTime() - oldest;
}
