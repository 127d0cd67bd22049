// The real processes, started with what is wrong: which settings there are, the registry says.
import { existsSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import path from "node:path";
import { BackupJobConfig } from "@medvault/backup-service/config";
import { ConfigError, EXIT, readSettings } from "@medvault/service-kit";
import { expect, onTestFinished, test } from "vitest";
import type { z } from "zod";
import { NODE_FLAGS } from "../lib/cli.mjs";
import { root } from "../lib/paths.mjs";
import { run } from "../lib/run.mjs";
import { environment, type ProcessName } from "../run/services.ts";
import { SERVICES } from "../servers/secrets.ts";
import { givenDataDir } from "../test/harness.ts";
import { planned } from "./faults.ts";
import { SCHEMAS, settingsOfTools } from "./registry.ts";

/** What a process is started with, and the schema of its settings. */
interface Start {
  readonly entry: string;
  readonly schema: z.ZodObject;
  /** Whose environment it has under npm start. */
  readonly as: ProcessName;
}

const service = (as: ProcessName): Start => ({
  entry: `services/${as}/src/main.ts`,
  schema: SCHEMAS[as],
  as,
});
const STARTS: Readonly<Record<string, Start>> = {
  ...Object.fromEntries(SERVICES.map((name) => [name, service(name)])),
  bootstrap: { entry: "services/auth/src/bootstrap.job.ts", schema: SCHEMAS.bootstrap, as: "bootstrap" },
  restore: { entry: "services/backup/src/restore.job.ts", schema: SCHEMAS.restore, as: "restore" },
  "backup job": { entry: "services/backup/src/backup.job.ts", schema: BackupJobConfig, as: "backup" },
};
const PROCESSES = Object.entries(STARTS);

const SECRET = "hunter2";
const NOWHERE = "/dev/null/elsewhere";
/** Some of them no setting takes; a file or a directory is looked for. */
const WRONG = [SECRET, `${SECRET} /+<>\n`, SECRET.repeat(200)];

function wrongValue(name: string, schema: z.ZodType): string | null {
  if (/_(FILE|DIR)$|_LIST$/.test(name)) return NOWHERE;
  return WRONG.find((value) => !schema.safeParse(value).success) ?? null;
}

/** A wrong value for each setting that can have one. */
function allWrong(schema: z.ZodObject): Record<string, string> {
  const values = Object.entries(schema.shape).map(
    ([name, one]) => [name, wrongValue(name, one as z.ZodType)] as const,
  );
  return Object.fromEntries(values.filter((pair): pair is [string, string] => pair[1] !== null));
}

interface Line {
  level: string;
  msg: string;
  faults: { setting: string; fault: string }[];
}

/** Starts a process with these settings alone, and gives how it ended and the one line that it wrote. */
async function ended(entry: string, env: Record<string, string>) {
  const given = { PATH: process.env.PATH, ...env };
  const { code, out, words } = await run(process.execPath, [...NODE_FLAGS, entry], { cwd: root, env: given });
  const text = out + words;
  const [line = "{}", ...others] = text.trim().split("\n");
  expect(others, text).toEqual([]);
  const { level, msg, faults = [] } = JSON.parse(line) as Line;
  return { code, level, msg, text, faults, named: faults.map(({ setting }) => setting) };
}

test("whatever can be wrong with a setting has a wrong value here", () => {
  const free = PROCESSES.flatMap(([, { schema }]) => {
    const wrong = allWrong(schema);
    return Object.keys(schema.shape).filter((setting) => !(setting in wrong));
  });
  // Any text; of the former, until it is opened.
  expect([...new Set(free)].toSorted()).toEqual(["MEDVAULT_KEYS", "REDIS_SENTINEL_PASSWORD"]);
});

test.each(PROCESSES)(
  "every setting of %s that is wrong is named at once, with what to do and without its value",
  async (_name, { entry, schema }) => {
    const wrong = allWrong(schema);
    const { code, level, msg, text, faults, named } = await ended(entry, wrong);
    expect({ code, level }).toEqual({ code: EXIT.badSettings, level: "fatal" });
    expect(named.toSorted()).toEqual(Object.keys(wrong).toSorted());
    expect(msg).toBe(`${named.length} settings are not right; nothing was started`);
    for (const { setting, fault } of faults) expect(fault, setting).toMatch(/^.{6,}/);
    expect(text).not.toContain(SECRET);
  },
);

test.each([...settingsOfTools()].filter(([, schema]) => Object.keys(allWrong(schema)).length > 0))(
  "every setting of the tool %s that is wrong is named at once, and it does nothing",
  async (tool, schema) => {
    const wrong = allWrong(schema);
    const { code, named, text } = await ended(`tools/${tool}.ts`, wrong);
    expect(code).toBe(EXIT.badSettings);
    const checked = Object.keys(wrong).filter((name) => !/_DIR$/.test(name)); // they make and look for these
    expect(named).toEqual(expect.arrayContaining(checked));
    expect(text).not.toContain(SECRET);
  },
);

const given = ({ as, schema }: Start, settings: Record<string, string> = {}): Record<string, string> => ({
  ...environment(as, planned(settings)),
  ...("ADMIN_PORT" in schema.shape ? { ADMIN_PORT: "2" } : {}),
  ...settings,
});

test.each(PROCESSES)("each setting of %s, wrong alone, is named alone", async (_name, start) => {
  const { schema } = start;
  const faultsOf = async (env: Record<string, string>) => {
    const read = readSettings(schema, env).then(() => null);
    const error = await read.catch((refused: unknown) => refused);
    if (error !== null && !(error instanceof ConfigError)) throw error;
    return error === null ? [] : [...error.faults.keys()];
  };
  expect(await faultsOf(given(start))).toEqual([]);
  for (const [setting, value] of Object.entries(allWrong(schema))) {
    if (value === NOWHERE && schema.shape[setting].safeParse(NOWHERE).success) continue; // looked into by its process
    expect(await faultsOf({ ...given(start), [setting]: value }), setting).toEqual([setting]);
    // So is what cannot be had from its file.
    const file = `${setting}_FILE`;
    if (file in schema.shape || setting === "NODE_ENV") continue; // without the latter it is production
    const { [setting]: _, ...rest } = given(start);
    expect(await faultsOf({ ...rest, [file]: NOWHERE }), file).toEqual([file]);
  }
});

test.each(PROCESSES)("%s with faults connects to nothing and makes nothing", async (_name, start) => {
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const at = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const data = path.join(givenDataDir(), "made");
  const env = Object.fromEntries(
    Object.entries(given(start, { MEDVAULT_SMTP_URL: `smtp://${at}` })).map(([setting, value]) => [
      setting,
      /_DIR$/.test(setting) ? path.join(data, setting) : value.replace(/127\.0\.0\.1(:\d+)?(?=\/|$)/, at),
    ]),
  );
  // Its keys alone are not there, and a name is misspelt.
  const { code, named, faults } = await ended(start.entry, {
    ...env,
    MEDVAULT_KEYS_FILE: path.join(data, "keys.json"),
    MEDVAULT_RATELIMIT: "1",
  });
  expect(code).toBe(EXIT.badSettings);
  expect(named).toContain("MEDVAULT_KEYS_FILE");
  expect(faults.at(-1)).toEqual({
    setting: "MEDVAULT_RATELIMIT",
    fault: "is no setting, and nothing reads it: did you mean MEDVAULT_RATE_LIMIT?",
  });
  expect(connections).toBe(0);
  expect(existsSync(data)).toBe(false);
});
