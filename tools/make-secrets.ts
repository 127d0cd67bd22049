import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { chmod, chown, mkdir } from "node:fs/promises";
import path from "node:path";
import { writeDurably } from "@medvault/keys";
import { generateKeyFile } from "@medvault/keys/operations";
import { SERVICES_WITH_DATA } from "@medvault/postgres";
import { newAssertionKey, publicJwksOf, readAssertionKey } from "@medvault/service-kit";
import { MakeSecretsConfig } from "./config.ts";
import { command, UsageError } from "./lib/command.ts";
import { isStillGood, issue, newAuthority, type Pair, type Use } from "./secrets/certificates.ts";
import {
  JOBS,
  jobFiles,
  MAIL_CATCHER,
  type Passwords,
  SERVERS,
  SERVICES,
  serverFiles,
  serviceFiles,
  WATCHERS,
} from "./secrets/folders.ts";

/** Users of the images that read the files: ours, and those of Postgres, Redis and RabbitMQ. */
const OURS = 65_532;
const THEIRS = 999;

const made: string[] = [];

await command({
  name: "make-secrets",
  help: `Makes what containers of a new installation need before any of them runs: an authority and a certificate for
each part, passwords, and the service keys. Each part finds its own in a folder of its own. What is there is kept;
certificates are made again a year before they expire, or for another public name.

  node tools/make-secrets.ts <directory>     (docker compose up does it by itself)`,
  options: {},
  takesArguments: true,
  settings: MakeSecretsConfig,
  run: async ({ args: [dir], settings }) => {
    if (!dir) throw new UsageError("name the directory.");
    await makeKeys(dir);
    const passwords = await kept(path.join(dir, "own/passwords.json"), async () => newPasswords());
    const authority = await kept(path.join(dir, "own/authority.json"), newAuthority);
    const publicName = new URL(settings.MEDVAULT_PUBLIC_URL).hostname.replace(/^\[|\]$/g, "");
    for (const name of SERVICES) {
      const names = name === "gateway" ? [...new Set([name, publicName])] : [name];
      await certify(path.join(dir, name), authority, names, "service", OURS);
      await write(path.join(dir, name), serviceFiles(name, passwords), OURS);
    }
    await certify(path.join(dir, JOBS), authority, [JOBS], "service", OURS);
    await write(path.join(dir, JOBS), jobFiles(passwords), OURS);
    for (const name of SERVERS) {
      await certify(path.join(dir, name), authority, [name], "server", THEIRS);
      await write(path.join(dir, name), serverFiles[name](passwords), THEIRS);
    }
    await certify(path.join(dir, MAIL_CATCHER), authority, [MAIL_CATCHER], "server", OURS);
    for (const [name, user] of Object.entries(WATCHERS))
      await certify(path.join(dir, name), authority, [name], "server", user);
    const grafana = { password: newPassword(), "secret-key": newPassword() };
    await write(path.join(dir, "grafana"), grafana, WATCHERS.grafana ?? OURS);
    await makeAssertionKey(dir);
    return {
      lines: [made.length > 0 ? `Made ${made.join(", ")}.` : "Nothing was missing."],
      result: { made },
    };
  },
});

/**
 * Keys first: once there are passwords, there may be data under the keys, and a lost one is not
 * made again.
 */
async function makeKeys(dir: string): Promise<void> {
  const fileOf = (service: string) => path.join(dir, "keys", service, `${service}.json`);
  await folder(path.join(dir, "keys"), OURS);
  const missing = SERVICES_WITH_DATA.filter((service) => !existsSync(fileOf(service)));
  if (missing.length > 0 && existsSync(path.join(dir, "own/passwords.json")))
    throw new Error(
      `the keys of ${missing.join(", ")} are gone, and data may lie under them: put them back with keys recover (docs/runbooks/keys.md).`,
    );
  for (const service of missing) {
    await folder(path.dirname(fileOf(service)), OURS);
    await generateKeyFile(fileOf(service), service);
    await own(fileOf(service), OURS);
    made.push(`keys/${service}`);
  }
}

/** The gateway's pair: the public half goes to each service. */
async function makeAssertionKey(dir: string): Promise<void> {
  const file = path.join(dir, "keys/gateway/gateway.json");
  if (!existsSync(file)) {
    const content = JSON.stringify({ service: "gateway", signing: (await newAssertionKey()).privateJwk });
    await write(path.dirname(file), { "gateway.json": content }, OURS);
  }
  const jwks = JSON.stringify(publicJwksOf(await readAssertionKey(file)));
  for (const name of SERVICES_WITH_DATA)
    await write(path.join(dir, name), { "assertion-jwks.json": jwks }, OURS);
}

/** Makes a certificate where there is none that will do. Each part trusts the one authority. */
async function certify(
  dir: string,
  authority: Pair,
  parts: readonly string[],
  use: Use,
  user: number,
): Promise<void> {
  const names = [...new Set([...parts, "localhost", "127.0.0.1"])];
  const there: Pair = { cert: text(path.join(dir, "cert.pem")), key: text(path.join(dir, "key.pem")) };
  if (isStillGood(there, authority, names)) return;
  const { cert, key } = await issue(authority, names, use);
  await write(dir, { "ca.pem": authority.cert, "key.pem": key, "cert.pem": cert }, user, true);
}

/** Files that are missing, or all of them `again`; for the part's user alone. */
async function write(dir: string, files: Record<string, string>, user: number, again = false): Promise<void> {
  await folder(dir, user);
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(dir, name);
    if (existsSync(file) && !again) continue;
    await writeDurably(file, content);
    await own(file, user);
    made.push(`${path.basename(dir)}/${name}`);
  }
}

async function folder(dir: string, user: number): Promise<void> {
  await mkdir(dir, { recursive: true });
  await chmod(dir, 0o700);
  await own(dir, user);
}

/** Only root can give files away; any other user who calls keeps them. */
async function own(file: string, user: number): Promise<void> {
  if (process.getuid?.() === 0) await chown(file, user, user);
}

/** What an earlier run made, or is made now; for root alone. */
async function kept<T>(file: string, make: () => Promise<T>): Promise<T> {
  if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8")) as T;
  const value = await make();
  await writeDurably(file, JSON.stringify(value));
  made.push(`own/${path.basename(file)}`);
  return value;
}

function text(file: string): string {
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}

function newPassword(): string {
  return randomBytes(18).toString("hex");
}

function newPasswords(): Passwords {
  const each = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, newPassword()]));
  return {
    ...{ postgres: newPassword(), owner: newPassword(), redis: newPassword() },
    ...{ roles: each(SERVICES_WITH_DATA), broker: each(SERVICES) },
  };
}
