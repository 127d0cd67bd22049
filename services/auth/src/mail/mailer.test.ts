import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { testLogger } from "@medvault/testing";
import { expect, test } from "vitest";
import { resetMail } from "./mail.templates.ts";
import { createMailer, fileTransport } from "./mailer.ts";

type MailLogger = Parameters<typeof createMailer>[0]["logger"];
const TOKEN = "T".repeat(43);
const mail = resetMail({ to: "a@home.example", publicUrl: "http://127.0.0.1:8080", token: TOKEN });

test("mails become files that only their owner reads, sorted by time, with the link in one piece", async () => {
  const dir = await mkdtemp(path.join(tmpdir(), "medvault-mail-"));
  try {
    const logger = testLogger() as unknown as MailLogger;
    const mailer = createMailer({ transport: fileTransport(dir), from: "MedVault <x@y.example>", logger });
    mailer.enqueue(mail);
    mailer.enqueue({ ...mail, to: "b@home.example" });
    await mailer.close();
    const names = (await readdir(dir)).sort();
    expect(names).toHaveLength(2);
    const [first = ""] = names;
    expect(first).toMatch(/^[0-9a-f-]{36}\.eml$/);
    expect((await stat(path.join(dir, first))).mode & 0o777).toBe(0o600);
    const text = (await readFile(path.join(dir, first), "utf8")).replace(/=\n/g, "").replaceAll("=3D", "=");
    expect(text).toContain("To: a@home.example");
    expect(text).toContain(`http://127.0.0.1:8080/reset-password#token=${TOKEN}\n`);
  } finally {
    await rm(dir, { recursive: true });
  }
});

test("a mail that cannot be sent is tried three times, then given up without a word of its content", async () => {
  const logger = testLogger();
  let tries = 0;
  const mailer = createMailer({
    transport: {
      async send() {
        tries++;
        throw new Error("away");
      },
      close() {},
    },
    from: "x@y.example",
    logger: logger as unknown as MailLogger,
    backoffMs: 1,
  });
  expect(await mailer.deliver(mail)).toBe(false);
  expect(tries).toBe(3);
  expect(JSON.stringify(logger.lines)).not.toContain(TOKEN);
});
