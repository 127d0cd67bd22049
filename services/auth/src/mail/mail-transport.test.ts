import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { loadConfig } from "@medvault/service-kit";
import { givenDisk } from "@medvault/testing";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { afterEach, expect, test } from "vitest";
import { AuthConfig } from "../config.ts";
import { registeredMail, resetMail } from "./mail.ts";
import { fileTransport, MailRefused, type MailTransport, smtpTransport } from "./mail-transport.client.ts";

const TOKEN = "T".repeat(43);
const reset = resetMail({
  to: "a@home.example",
  publicUrl: "http://127.0.0.1:8080",
  lifeMs: 3_600_000,
  mayRemoveFactors: false,
  token: TOKEN,
});
const mail = { ...reset, from: "MedVault <x@y.example>" };

const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const each of open.splice(0).reverse()) each.close();
});

async function server(options: SMTPServerOptions = {}) {
  const got: { to: string[]; text: string; user: unknown }[] = [];
  const smtp = new SMTPServer({
    authOptional: true,
    allowInsecureAuth: true,
    disabledCommands: ["STARTTLS"],
    closeTimeout: 100,
    onAuth: ({ username, password }, _session, done) =>
      done(password === "p@ss" ? null : new Error("no"), { user: username }),
    onData(stream, session, done) {
      let text = "";
      stream.on("data", (piece: Buffer) => {
        text += piece.toString("utf8");
      });
      stream.on("end", () => {
        got.push({ to: session.envelope.rcptTo.map(({ address }) => address), text, user: session.user });
        done();
      });
    },
    ...options,
  });
  smtp.on("error", () => {});
  await new Promise<void>((resolve) => smtp.listen(0, "127.0.0.1", resolve));
  open.push({ close: () => smtp.close() });
  const { port } = smtp.server.address() as AddressInfo;
  return { got, port };
}
function transportTo(url: string, requireTls = false): MailTransport {
  const transport = smtpTransport(url, { requireTls });
  open.push(transport);
  return transport;
}

test("a mail reaches its one addressee through a server that asks for a password", async () => {
  const { got, port } = await server({ authOptional: false });
  await transportTo(`smtp://user:p%40ss@127.0.0.1:${port}`).send(mail);
  expect(got).toMatchObject([{ to: ["a@home.example"], user: "user" }]);
  const text = got[0]?.text.replace(/=\r\n/g, "").replaceAll("=3D", "=");
  expect(text).toContain(`http://127.0.0.1:8080/reset-password#token=${TOKEN}`);
});

test("a recipient that the server refuses is final; a wrong password of ours and a busy server are not", async () => {
  const code = (responseCode: number) => Object.assign(new Error("no"), { responseCode });
  const refusing = await server({ onRcptTo: (_address, _session, done) => done(code(550)) });
  await expect(transportTo(`smtp://127.0.0.1:${refusing.port}`).send(mail)).rejects.toBeInstanceOf(
    MailRefused,
  );
  const busy = await server({ onRcptTo: (_address, _session, done) => done(code(451)) });
  await expect(transportTo(`smtp://127.0.0.1:${busy.port}`).send(mail)).rejects.not.toBeInstanceOf(
    MailRefused,
  );
  const closed = await server({ authOptional: false });
  const wrong = transportTo(`smtp://user:wrong@127.0.0.1:${closed.port}`).send(mail);
  await expect(wrong).rejects.not.toBeInstanceOf(MailRefused);
});

test("a server without TLS, or with a certificate that nobody vouches for, gets nothing where TLS is required", async () => {
  const plain = await server();
  await expect(transportTo(`smtp://127.0.0.1:${plain.port}`, true).send(mail)).rejects.toThrow();
  const selfSigned = await server({ disabledCommands: [] });
  await expect(transportTo(`smtp://127.0.0.1:${selfSigned.port}`, true).send(mail)).rejects.toThrow(
    /certificate/,
  );
  const wrapped = await server({ secure: true });
  await expect(transportTo(`smtps://127.0.0.1:${wrapped.port}`, true).send(mail)).rejects.toThrow(
    /certificate/,
  );
  expect([...plain.got, ...selfSigned.got, ...wrapped.got]).toEqual([]);
});

test.each([
  ["a second addressee", { to: "a@home.example, b@evil.example" }],
  ["a header in the address", { to: "a@home.example\r\nBcc: b@evil.example" }],
  ["a named address", { to: "B <b@evil.example>" }],
  ["a header in the subject", { subject: "Hello\r\nBcc: b@evil.example" }],
  ["a header in the sender", { from: "x@y.example\nBcc: b@evil.example" }],
])("%s is refused before anything is sent", async (_what, part) => {
  const { got, port } = await server();
  await expect(transportTo(`smtp://127.0.0.1:${port}`).send({ ...mail, ...part })).rejects.toBeInstanceOf(
    MailRefused,
  );
  expect(got).toEqual([]);
});

test("mails become files that only their owner reads, with the link in one piece", async () => {
  const dir = await mkdtemp(path.join(tmpdir(), "medvault-mail-"));
  try {
    await fileTransport(dir).send(mail);
    const [name = ""] = await readdir(dir);
    expect(name).toMatch(/^[0-9a-f-]{36}\.eml$/);
    expect((await stat(path.join(dir, name))).mode & 0o777).toBe(0o600);
    const text = (await readFile(path.join(dir, name), "utf8")).replace(/=\n/g, "").replaceAll("=3D", "=");
    expect(text).toContain("To: a@home.example");
    expect(text).toContain(`/reset-password#token=${TOKEN}\n`);
  } finally {
    await rm(dir, { recursive: true });
  }
});

test("a full disk takes no half of a mail, and readiness knows", async (frame) => {
  const disk = givenDisk(frame, 1);
  const dir = path.join(disk.dir, "mail");
  const transport = fileTransport(dir);
  await transport.probe();
  disk.fill();
  await expect(transport.send(mail)).rejects.toMatchObject({ code: "ENOSPC" });
  await expect(transport.probe()).rejects.toMatchObject({ code: "ENOSPC" });
  expect(await readdir(dir)).toEqual([]);
  disk.free();
  await transport.probe();
  await transport.send(mail);
  expect(await readdir(dir)).toHaveLength(1);
});

test("links lead where the setting says, and nowhere else", () => {
  const made = registeredMail({
    to: "a@b.example",
    username: "u",
    publicUrl: "https://medvault.example/x/",
    token: TOKEN,
  });
  expect(made.text.match(/https?:\/\/\S+/g)).toEqual([
    `https://medvault.example/confirm-address#token=${TOKEN}`,
    "https://medvault.example/forgot-password",
  ]);
});

test("a server's URL with a query, which could switch TLS off, is a bad setting", () => {
  const env = { MEDVAULT_SMTP_URL: "smtp://mail.example?tls.rejectUnauthorized=false" };
  expect(() => loadConfig(AuthConfig, env)).toThrow(/MEDVAULT_SMTP_URL \(must be a URL without a query\)/);
  expect(() => loadConfig(AuthConfig, { MEDVAULT_MAIL_FROM: "a@b.example\nBcc: c@d.example" })).toThrow(
    /MEDVAULT_MAIL_FROM/,
  );
});

test("a sender that is no address stops the start, in words", () => {
  const from = AuthConfig.shape.MEDVAULT_MAIL_FROM;
  for (const sender of ["nobody", "nobody@", "MedVault <nobody>", "a@b.example, c@d.example", ""]) {
    expect(from.safeParse(sender).error?.issues[0]?.message).toMatch(/^must be an address, or a name and/);
  }
  for (const sender of ["no-reply@clinic.example", "Dr. Ünal's clinic <no-reply@clinic.example>"]) {
    expect(from.parse(sender)).toBe(sender);
  }
  const settings = () => loadConfig(AuthConfig, { NODE_ENV: "test", MEDVAULT_MAIL_FROM: "nobody" });
  expect(settings).toThrow(/MEDVAULT_MAIL_FROM \(/);
});
