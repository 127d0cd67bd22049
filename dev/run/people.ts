// Who can sign in after the first start: the first admin always, the demo's people unless
// MEDVAULT_DEMO=0.
import path from "node:path";
import { type Person, readState, writeState } from "../demo/state.ts";
import { step } from "../lib/words.mjs";
import { runJob } from "./job.ts";
import type { DemoUser } from "./ops.ts";
import { environment, publicUrl, type ServiceOptions } from "./services.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Makes the people who are missing. A demo that fails is no reason not to run: it says so, and the
 * next start goes on with it.
 * @returns everybody whose password is known
 */
export async function firstPeople(
  o: ServiceOptions,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<DemoUser[]> {
  const { data } = o.dirs;
  if (!readState(data).people.some(({ role }) => role === "admin")) {
    const admin = await step(terminal.say, "making the first admin", () => bootstrap(o, signal));
    if (admin) remember(data, admin, terminal);
    else
      terminal.say(
        "An admin exists whose password is not known here: no demo is made, and ops.json names nobody.",
      );
  }
  const state = readState(data);
  // Asked for no demo once, this data never gets one: it may hold real patients by now.
  if (o.settings.MEDVAULT_DEMO === "0" && !state.done) writeState(data, { ...state, done: true });
  else if (!state.done && state.people.length > 0) await demo(o, terminal, signal);
  return readState(data)
    .people.filter(({ stage }) => stage === "ready")
    .map(({ role, username, password, totpSecret }) => ({ role, username, password, totpSecret }));
}

/** @returns null when there is an admin already */
async function bootstrap(o: ServiceOptions, signal: AbortSignal): Promise<Person | null> {
  const out = await runJob({
    title: "making the first admin",
    entry: "services/auth/src/bootstrap.job.ts",
    env: environment("bootstrap", o),
    log: path.join(o.dirs.logs, "bootstrap.log"),
    signal,
  });
  const line = out.split("\n").find((one) => one.startsWith("{") && one.includes("totpSecret"));
  if (!line) return null;
  const made = JSON.parse(line) as Pick<Person, "username" | "password" | "totpSecret">;
  return { role: "admin", ...made, email: "", id: null, stage: "ready" };
}

function remember(data: string, admin: Person, terminal: Terminal): void {
  // Shown first: this is the only moment in which its password is known if it cannot be kept.
  terminal.show(
    `  The first admin, kept in ops.json too: ${admin.username} / ${admin.password} / TOTP secret ${admin.totpSecret}`,
  );
  const state = readState(data);
  state.people.unshift(admin);
  writeState(data, state);
}

async function demo(o: ServiceOptions, terminal: Terminal, signal: AbortSignal): Promise<void> {
  const { data, mail, logs } = o.dirs;
  const job = {
    title: "the demo",
    entry: "dev/demo.ts",
    args: [data, publicUrl(o), mail],
    env: { MEDVAULT_PROOF_KEY: o.proofKeys.gateway },
    log: path.join(logs, "demo.log"),
    signal,
  };
  try {
    await step(terminal.say, "making the demo (2 doctors, an auditor, 3 patients)", () => runJob(job));
  } catch (error) {
    if (signal.aborted) throw error;
    terminal.say(`${(error as Error).message} The next start goes on with it.`);
  }
}
