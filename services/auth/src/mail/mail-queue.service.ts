import { failedEvent, isStorageFull, newId } from "@medvault/contracts";
import { canonicalJson, openBox, paddedJson, sealBox } from "@medvault/crypto";
import { emit } from "@medvault/messaging";
import { afterCommit, inTransaction, type Tx } from "@medvault/postgres";
import type { Logger } from "@medvault/service-kit";
import type pg from "pg";
import type { Mail } from "./mail.ts";
import {
  claimMail,
  deleteMail,
  insertMail,
  parkMail,
  postponeMail,
  replaceMail,
  type WaitingMail,
  waitingMails,
} from "./mail-queue.store.ts";
import type { MailTask } from "./mail-task.service.ts";
import { MailRefused, type MailTransport } from "./mail-transport.client.ts";

export interface MailQueue {
  /**
   * Makes a mail, or none, once the transaction has committed, and sends it: nobody can tell by the
   * time of an answer whether there was one. One of this id that is in line already stays.
   */
  later(tx: Tx, task: MailTask, id?: string): Promise<void>;
  /** Sends what is due; before the first call nothing is sent. */
  wake(): void;
  /**
   * Deletes what waits for somebody, or was to be made for them, by their account or one of their
   * addresses; returns how many. One that is on its way to a server now arrives.
   */
  forget(tx: Tx, userId: string, addresses: readonly string[]): Promise<number>;
  /** For readiness: throws when nothing can be sent at the moment. */
  probe(): Promise<void>;
  /** Ends what is under way; the rest stays in line. */
  stop(): Promise<void>;
}

type Content = { mail: Mail } | { task: MailTask };

/** A reminder holds nothing that must stay the same, and may be of no use at the next try. */
const isMadeAgain = (content: Content): content is { task: MailTask } =>
  "task" in content && content.task.name === "reminder";

/** Whom a mail is for or about: accounts and addresses. */
function namedIn(content: Content): string[] {
  if ("mail" in content) return [content.mail.to];
  const { userId, email, claimantId } = content.task as Partial<Record<string, unknown>>;
  return [userId, email, claimantId].filter((one) => typeof one === "string");
}

const FORGET_BATCH = 200;
const SENDERS = 4;
/** Longer than a server may take to refuse or accept. */
const LEASE_MS = 60_000;
const ATTEMPTS_MAX = 24;
const RETRY_FIRST_MS = 15_000;
const RETRY_MAX_MS = 60 * 60_000;

/** After how long a mail is tried again: 15 s, 30 s, … 1 h; 24 tries take 16 h. */
export function retryAfterMs(attempts: number): number {
  return Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** (attempts - 1));
}

/**
 * Mails wait in Postgres, sealed, from the transaction of their cause until a server has taken
 * them: at least once each. A refused one, and one that `attemptsMax` tries did not bring, is
 * parked without its content, with an event.
 */
export function createMailQueue(options: {
  pool: pg.Pool;
  /** Seals what waits. */
  key: Buffer;
  transport: MailTransport;
  from: string;
  /**
   * Makes a task's mail, in the transaction that puts it in its place; a moment: not before that;
   * null: there is none.
   */
  compose(tx: Tx, task: MailTask): Promise<Mail | Date | null>;
  /** What is noted with the end of a task that is made again at each try. */
  sent?(tx: Tx, task: MailTask): Promise<void>;
  now(): Date;
  logger: Logger;
  /** Default 24. */
  attemptsMax?: number;
}): MailQueue {
  const { pool, transport, from, now, logger, attemptsMax = ATTEMPTS_MAX } = options;
  const senders = new Set<Promise<void>>();
  let state: "waiting" | "open" | "stopped" = "waiting";

  const contextOf = (id: string, kind: string) => ({
    service: "auth",
    table: "mails",
    rowId: id,
    subjectId: id,
    rev: 1,
    typed: canonicalJson({ kind }),
    open: "{}",
  });
  const seal = (id: string, kind: string, content: Content) =>
    sealBox(
      { key: options.key, version: 1 },
      contextOf(id, kind),
      paddedJson(JSON.stringify(content)),
      "aes-256-gcm",
    );

  const afterMs = (ms: number) => new Date(now().getTime() + ms);

  function contentOf({ id, kind, sealed }: Pick<WaitingMail, "id" | "kind" | "sealed">): Content {
    const plain = openBox({ key: options.key, version: 1 }, contextOf(id, kind), sealed);
    return JSON.parse(plain.toString("utf8")) as Content;
  }

  /** The mail of this row, or when it is due; null when it is a task that makes none. */
  async function mailOf({ id, kind }: WaitingMail, content: Content): Promise<Mail | Date | null> {
    if ("mail" in content) return content.mail;
    return inTransaction(pool, async (tx) => {
      const mail = await options.compose(tx, content.task);
      if (!mail || mail instanceof Date || isMadeAgain(content)) return mail;
      // What it holds (a token) is committed with it: a second try sends the same.
      return (await replaceMail(tx, id, seal(id, kind, { mail }))) ? mail : null;
    });
  }

  async function deliver(row: WaitingMail): Promise<void> {
    try {
      const content = contentOf(row);
      const mail = await mailOf(row, content);
      if (mail instanceof Date) return await postponeMail(pool, row.id, mail, { counts: false });
      if (mail) await transport.send({ ...mail, from });
      await inTransaction(pool, async (tx) => {
        await deleteMail(tx, row.id);
        if (mail && isMadeAgain(content)) await options.sent?.(tx, content.task);
      });
    } catch (err) {
      logger.warn(
        { err, attempt: row.attempts, kind: row.kind, component: "mail" },
        "a mail could not be sent",
      );
      // No fault of the mail: it is tried until there is room, and soon then.
      if (isStorageFull(err)) await postponeMail(pool, row.id, afterMs(RETRY_FIRST_MS), { counts: false });
      else if (err instanceof MailRefused || row.attempts >= attemptsMax) {
        await park(row, err instanceof MailRefused ? "refused" : "gave_up");
      } else await postponeMail(pool, row.id, afterMs(retryAfterMs(row.attempts)));
    }
  }

  async function park(row: WaitingMail, reason: string): Promise<void> {
    await inTransaction(pool, async (tx) => {
      await parkMail(tx, row.id, now());
      const event = failedEvent(null, {
        type: "medvault.auth.mail.parked.v1",
        subject: `mail/${row.id}`,
        action: "mail:send",
        reason,
        details: { kind: row.kind, attempts: row.attempts },
      });
      await emit(tx, "auth", event);
    });
  }

  /** Starts one more sender, if there may be one. */
  function pump(): void {
    if (state !== "open" || senders.size >= SENDERS) return;
    const sender = drain().finally(() => senders.delete(sender));
    senders.add(sender);
  }

  async function drain(): Promise<void> {
    try {
      while (state === "open") {
        const row = await claimMail(pool, LEASE_MS, now());
        if (!row) return;
        pump(); // there may be another, and this one may be slow
        await deliver(row);
      }
    } catch (err) {
      logger.warn({ err, component: "mail" }, "the mail queue could not be read");
    }
  }

  return {
    async later(tx, task, id = newId()) {
      await insertMail(tx, { id, kind: task.name, sealed: seal(id, task.name, { task }) }, now());
      afterCommit(tx, pump);
    },
    wake() {
      if (state === "waiting") state = "open";
      pump();
    },
    async forget(tx, userId, addresses) {
      const whose = new Set([userId, ...addresses].map((one) => one.toLowerCase()));
      let forgotten = 0;
      for (let after: string | null = null; ; ) {
        const rows = await waitingMails(tx, after, FORGET_BATCH);
        for (const row of rows) {
          if (!namedIn(contentOf(row)).some((one) => whose.has(one.toLowerCase()))) continue;
          await deleteMail(tx, row.id);
          forgotten += 1;
        }
        after = rows.at(-1)?.id ?? null;
        if (rows.length < FORGET_BATCH) return forgotten;
      }
    },
    probe: () => transport.probe(),
    async stop() {
      state = "stopped";
      await Promise.all(senders);
      transport.close();
    },
  };
}
