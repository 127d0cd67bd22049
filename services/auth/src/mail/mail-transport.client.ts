import path from "node:path";
import { newId } from "@medvault/contracts";
import { makeDirectoryDurably, probeDirectory, writeDurably } from "@medvault/keys";
import { createTransport } from "nodemailer";
import type { Mail } from "./mail.ts";

/** Takes a built message on its way. */
export interface MailTransport {
  /** Throws MailRefused when trying again is of no use, else whatever went wrong. */
  send(mail: Mail & { from: string }): Promise<void>;
  /** For readiness: throws when it takes nothing at the moment. */
  probe(): Promise<void>;
  close(): void;
}

/** The mail will never be taken: no such mailbox, or a header that would break out of its line. */
export class MailRefused extends Error {
  constructor(cause?: unknown) {
    super("the mail was refused", { cause });
    this.name = "MailRefused";
  }
}

const SMTP_PORT = 587;
const SMTPS_PORT = 465;
const CONNECTIONS = 4;
/** All of them together stay under the queue's lease. */
const CONNECT_MS = 10_000;
const GREETING_MS = 10_000;
const SILENCE_MS = 15_000;

/**
 * SMTP with a few connections (`smtps://user:password@host:465`, or `smtp://…:587` with STARTTLS).
 * With `requireTls` a server that offers no TLS, or whose certificate is not good, gets nothing.
 */
export function smtpTransport(url: string, options: { requireTls: boolean }): MailTransport {
  const { protocol, hostname, port, username, password } = new URL(url);
  const secure = protocol === "smtps:";
  const transport = createTransport({
    pool: true,
    maxConnections: CONNECTIONS,
    host: hostname.replace(/^\[|\]$/g, ""),
    port: port === "" ? (secure ? SMTPS_PORT : SMTP_PORT) : Number(port),
    secure,
    requireTLS: options.requireTls && !secure,
    ...(username === ""
      ? {}
      : { auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) } }),
    connectionTimeout: CONNECT_MS,
    greetingTimeout: GREETING_MS,
    socketTimeout: SILENCE_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    async send(mail) {
      await transport.sendMail(messageOf(mail)).catch((error: unknown) => {
        // RFC 5321: 5yz is final for this mail. A refused sign-in (535) is ours to mend: it waits.
        const { responseCode, code } = error as { responseCode?: number; code?: string };
        if (code === "EENVELOPE" || code === "EMESSAGE") {
          if ((responseCode ?? 0) >= 500) throw new MailRefused(error);
        }
        throw error;
      });
    },
    probe: async () => {}, // its server's state is not ours: what it does not take waits
    close: () => transport.close(),
  };
}

/** One file a mail, for the demo: `<id>.eml`, ids sort by time; only its owner may read it. */
export function fileTransport(dir: string): MailTransport {
  const transport = createTransport({ streamTransport: true, buffer: true, newline: "unix" });
  return {
    async send(mail) {
      const { message } = await transport.sendMail({
        ...messageOf(mail),
        disableFileAccess: true,
        disableUrlAccess: true,
      });
      // Anyone who watches the folder sees whole mails only.
      await writeDurably(path.join(dir, `${newId()}.eml`), message as Buffer);
    },
    async probe() {
      await makeDirectoryDurably(dir);
      await probeDirectory(dir);
    },
    close: () => {},
  };
}

/** One recipient and no other: an address is never read as a list, and no value ends its line. */
function messageOf({ from, to, subject, text, headers = {} }: Mail & { from: string }) {
  if (
    [from, to, subject, ...Object.values(headers)].some((value) => /[\r\n\0]/.test(value)) ||
    /[\s,;<>]/.test(to)
  )
    throw new MailRefused();
  return { from, to: { name: "", address: to }, subject, text, headers };
}
