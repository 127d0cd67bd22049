import { mkdir, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { newId } from "@medvault/contracts";
import type { Logger } from "@medvault/service-kit";
import { createTransport } from "nodemailer";
import type { Mail } from "./mail.templates.ts";

/** Takes a built message on its way. */
export interface MailTransport {
  send(mail: Mail & { from: string }): Promise<void>;
  close(): void;
}

export interface Mailer {
  /** Resolves when the mail is on its way, or was given up (false, logged without its content). */
  deliver(mail: Mail): Promise<boolean>;
  /** Sends behind the answer's back, so that nobody can tell by time whether there was a mail. Bounded. */
  enqueue(mail: Mail): void;
  /** Runs `work` among the mails: what decides whether there is one must not be timed either. Bounded. */
  later(work: () => Promise<void>): void;
  /** Sends what waits. */
  close(): Promise<void>;
}

const WAITING_MAX = 1_000;
const ATTEMPTS = 3;

/** SMTP with a pool of connections; TLS and credentials come in the URL (`smtps://user:password@host:465`). */
export function smtpTransport(url: string): MailTransport {
  const transport = createTransport(url, { disableFileAccess: true, disableUrlAccess: true });
  return {
    async send(mail) {
      await transport.sendMail(mail);
    },
    close: () => transport.close(),
  };
}

/** One file a mail, for the demo: `<id>.eml`, ids sort by time; only its owner may read it. */
export function fileTransport(dir: string): MailTransport {
  const transport = createTransport({ streamTransport: true, buffer: true, newline: "unix" });
  return {
    async send(mail) {
      const { message } = await transport.sendMail({
        ...mail,
        disableFileAccess: true,
        disableUrlAccess: true,
      });
      await mkdir(dir, { recursive: true, mode: 0o700 });
      const name = path.join(dir, newId());
      await writeFile(`${name}.tmp`, message as Buffer, { mode: 0o600, flag: "wx" });
      await rename(`${name}.tmp`, `${name}.eml`); // whoever watches the folder sees whole mails only
    },
    close: () => {},
  };
}

/** Sends mails one after the other, each up to three times. */
export function createMailer(options: {
  transport: MailTransport;
  from: string;
  logger: Logger;
  /** Between attempts; default 1,000. */
  backoffMs?: number;
}): Mailer {
  const { transport, from, logger, backoffMs = 1_000 } = options;
  let tail: Promise<void> = Promise.resolve();
  let waiting = 0;

  async function deliver(mail: Mail): Promise<boolean> {
    for (let attempt = 1; ; attempt++) {
      try {
        await transport.send({ ...mail, from });
        return true;
      } catch (err) {
        logger.warn({ err, attempt, component: "mail" }, "a mail could not be sent");
        if (attempt >= ATTEMPTS) return false;
        await new Promise((resolve) => setTimeout(resolve, backoffMs * attempt));
      }
    }
  }

  function later(work: () => Promise<void>): void {
    if (waiting >= WAITING_MAX) {
      logger.error({ count: waiting, component: "mail" }, "too many mails wait: one was dropped");
      return;
    }
    waiting++;
    tail = tail
      .then(work)
      .catch((err: unknown) => logger.error({ err, component: "mail" }, "a mail was not made"))
      .finally(() => {
        waiting--;
      });
  }

  return {
    deliver,
    later,
    enqueue: (mail) =>
      later(async () => {
        await deliver(mail);
      }),
    async close() {
      await tail;
      transport.close();
    },
  };
}
