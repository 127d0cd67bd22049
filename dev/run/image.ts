// Runs under Node 24: builds the image, looks into it, and runs docker-compose.yml with it, to the end
// of the journey through the gateway.
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { buildImage } from "../image/build.ts";
import { imageOf, readCompose } from "../image/compose.ts";
import { entryFindings, imageFindings, processFindings } from "../image/findings.ts";
import { RunningCompose } from "../image/podman.ts";
import { makeStandIns } from "../image/stand-ins.ts";
import { root } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { sentenceFor, step, Trouble } from "../lib/words.mjs";
import { alerts } from "../telemetry/rules.ts";

const say = (line: string) => console.log(line);
const GATEWAY = "https://localhost:8443";
const work = path.join(root, ".data/image");
/** Each target once in 15 s. */
const SCRAPED_WITHIN_MS = 60_000;

/** Throws Trouble that names all of them. */
function requireNone(what: string, found: readonly string[]): void {
  if (found.length > 0) throw new Trouble(`${what}:\n  ${found.join("\n  ")}`);
}

/** As e2e finds a MedVault: the page that npm start writes. */
async function writeOps(compose: RunningCompose, gateway: string): Promise<string> {
  const [secrets, files, audit, mail, backups] = (await Promise.all(
    ["secrets", "files", "audit", "mail", "backups"].map((name) => compose.mountpoint(name)),
  )) as [string, string, string, string, string];
  const passwords = JSON.parse(fs.readFileSync(path.join(secrets, "own/passwords.json"), "utf8")) as Record<
    string,
    string
  >;
  const admin = (await compose.logs("first-admin")).split("\n").find((line) => line.includes("totpSecret"));
  if (!admin) throw new Trouble("first-admin printed no credentials.");
  fs.rmSync(work, { recursive: true, force: true });
  fs.mkdirSync(work, { recursive: true, mode: 0o700 });
  fs.symlinkSync(audit, path.join(work, "audit"));
  // As an attacker with the superuser's password comes in, who asks for no proof.
  const superuser = `postgres://postgres:${passwords.postgres}@${compose.address("postgres")}:5432/medvault?sslmode=no-verify`;
  const ops = {
    ...{ gateway, processes: [], postgres: { superuser, services: {} } },
    dirs: { data: work, files, mail, backups, keys: path.join(secrets, "keys") },
    demo: { users: [{ role: "admin", ...(JSON.parse(admin) as object) }] },
  };
  const file = path.join(work, "ops.json");
  fs.writeFileSync(file, JSON.stringify(ops), { mode: 0o600 });
  fs.copyFileSync(path.join(secrets, "jobs/ca.pem"), path.join(work, "ca.pem"));
  return file;
}

/** From within the gateway's network: ports published by rules of a firewall may lead elsewhere here. */
async function journey(compose: RunningCompose, opsFile: string): Promise<void> {
  const [program = "", ...inside] = await compose.inNetworkOf("gateway");
  const vitest = [
    process.execPath,
    "node_modules/vitest/vitest.mjs",
    "run",
    "--silent=passed-only",
    "e2e/journey",
  ];
  const child = spawn(program, [...inside, ...vitest], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env: {
      ...process.env,
      PATH: `${path.join(root, "node_modules/.bin")}:${process.env.PATH}`,
      MEDVAULT_E2E_OPS: opsFile,
      MEDVAULT_DATA: work,
      NODE_EXTRA_CA_CERTS: path.join(work, "ca.pem"),
      MEDVAULT_TEST_JSON: "",
    },
  });
  const [code] = (await once(child, "exit")) as [number | null];
  if (code !== 0) throw new Trouble("the journey against the image failed.");
}

interface Seen {
  up: Record<string, string>;
  rules: number;
}

/** The Prometheus of docker-compose.yml: it reads every service, over TLS, and has every rule. */
async function watching(compose: RunningCompose): Promise<void> {
  await compose.start("prometheus");
  const [program = "", ...inside] = await compose.inNetworkOf("prometheus");
  const ask = `
    const read = async (what) => (await (await fetch("https://localhost:9090/api/v1/" + what)).json()).data;
    const { activeTargets } = await read("targets");
    const { groups } = await read("rules");
    const up = Object.fromEntries(activeTargets.map((one) => [one.labels.job, one.lastError || one.health]));
    console.log(JSON.stringify({ up, rules: groups.flatMap((group) => group.rules).length }));`;
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: path.join(work, "ca.pem") };
  const args = [...inside, process.execPath, "--input-type=module", "--eval", ask];
  let seen: Seen = { up: {}, rules: 0 };
  let last = "it does not answer";
  for (const end = Date.now() + SCRAPED_WITHIN_MS; last && Date.now() < end; await sleep(1_000)) {
    const { out, words, code } = await run(program, args, { cwd: root, env });
    if (code === 0) seen = JSON.parse(out) as Seen;
    const away = Object.entries(seen.up).filter(([, health]) => health !== "up");
    last = code === 0 ? away.map((one) => one.join(": ")).join("; ") : words.trim().slice(-600);
    if (Object.keys(seen.up).length < 6) last ||= "it has no jobs yet";
  }
  if (last) throw new Trouble(`Prometheus does not read every service: ${last}`);
  if (seen.rules !== alerts().length)
    throw new Trouble(`Prometheus has ${seen.rules} of ${alerts().length} rules.`);
}

/** What an operator does after asking for a restore, again and again. */
async function restoring(compose: RunningCompose, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    await compose.run("restore");
    await sleep(1_000);
  }
}

async function runCompose(): Promise<void> {
  const compose = new RunningCompose(readCompose(), {
    gateway: { MEDVAULT_RATE_LIMIT: "100000", MEDVAULT_LOGIN_RATE: "1000" },
  });
  const ended = new AbortController();
  let restores: Promise<void> = Promise.resolve();
  try {
    await step(say, "starting docker-compose.yml on podman", () => compose.up());
    requireNone("a process is not as it should be", await processFindings(compose));
    const opsFile = await writeOps(compose, GATEWAY);
    await compose.run("tools", ["tools/keys.ts", "list"]);
    await step(say, "Prometheus, by its own configuration", () => watching(compose));
    restores = restoring(compose, ended.signal);
    await step(say, "the journey, over TLS", () => Promise.race([journey(compose, opsFile), restores]));
  } finally {
    ended.abort();
    await restores.catch(() => {});
    await step(say, "taking it down", () => compose.down());
  }
}

try {
  const compose = readCompose();
  fs.mkdirSync(path.join(root, ".data"), { recursive: true });
  const servers = {
    postgres: imageOf(compose, "postgres"),
    redis: imageOf(compose, "redis"),
    rabbitmq: imageOf(compose, "rabbitmq"),
    prometheus: imageOf(compose, "prometheus"),
  };
  const made = await step(say, "looking for the images that it is made of", () => makeStandIns(servers));
  if (made.length > 0) say(`  of Debian's packages, in the place of: ${made.join(", ")}`);
  await step(say, "building the image", () => buildImage({ from: root, tag: "medvault:local" }));
  const { found, megabytes, packages } = await imageFindings();
  requireNone("the image is not as it should be", found);
  say(`  ${megabytes} MB, ${packages} packages, all in sbom.cdx.json`);
  requireNone("the image does not run", await step(say, "starting its tools and telemetry", entryFindings));
  await runCompose();
  say("image: passed");
} catch (error) {
  console.error(`medvault: ${sentenceFor(error) ?? (error as Error).stack}`);
  process.exitCode = 1;
}
process.disconnect?.();
