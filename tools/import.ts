import path from "node:path";
import { GatewayConfig } from "./config.ts";
import { bundlePaths, type FileResult, type Stored, sendBundle } from "./import/send.ts";
import { command, type Outcome, UsageError } from "./lib/command.ts";
import { SIGN_IN_OPTIONS, signInAs } from "./lib/operator.ts";

/** What is counted in a bundle. */
const NOUNS = ["patient", "record", "prescription", "claim"] as const;

await command({
  name: "import",
  help: `Loads FHIR R4 bundles into MedVault, whole or not at all; loading one twice stores nothing twice.

  npm run import -- [options] <bundle.json[.gz] | folder> …

  --demo             sign in as the first demo doctor of ops.json
  --user <name>      sign in with this user name or email; asks for what the environment does not say
  --gateway <url>    the gateway to send them to`,
  options: SIGN_IN_OPTIONS,
  takesArguments: true,
  settings: GatewayConfig,
  run: async ({ values, args, settings, output }) => {
    if (args.length === 0) throw new UsageError("name at least one bundle (--help shows how).");
    const paths = await bundlePaths(args);
    const { client } = await signInAs(values, settings, "doctor");
    const results: FileResult[] = [];
    for (const file of paths) {
      output.progress(path.basename(file), results.length, paths.length);
      const result = await sendBundle(client, file, (seconds) => output.say(`  asked to wait ${seconds} s`));
      results.push(result);
      output.say(lineOf(result));
      // What stops one file of these stops all that follow.
      if (!result.ok && result.fatal) break;
    }
    return summaryOf(results, paths.length);
  },
});

function lineOf(result: FileResult): string {
  const name = path.basename(result.path);
  if (!result.ok) return `failed  ${name}: ${result.error}`;
  const { stored, existing, unattached } = result.answer;
  const kept = keptOf(result.answer);
  const parts = [
    ...NOUNS.map((noun) => counted(stored[`${noun}s`], noun)),
    kept > 0 ? `${kept} kept as they came` : "",
    unattached > 0 ? `${unattached} of them in nobody's chart` : "",
    existing > 0 ? `${existing} known already` : "",
  ].filter(Boolean);
  const what = parts.length > 0 ? parts.join(", ") : "nothing in it";
  return `ok      ${name}: ${what} (${seconds(result.tookMs)}${result.replayed ? ", loaded before" : ""})`;
}

function summaryOf(results: readonly FileResult[], planned: number): Outcome {
  const loaded = results.filter((result) => result.ok);
  const sum = (count: (answer: Stored) => number) =>
    loaded.reduce((total, { answer }) => total + count(answer), 0);
  const stored = NOUNS.map((noun) => [`${noun}s`, sum((answer) => answer.stored[`${noun}s`])] as const);
  const [kept, existing] = [sum(keptOf), sum((answer) => answer.existing)];
  const took = seconds(results.reduce((total, { tookMs }) => total + tookMs, 0));
  const skipped = planned > results.length ? `, ${planned - results.length} not tried` : "";
  const counts = stored.map(([nouns, count]) => `${count} ${nouns}`).join(", ");
  const what = `${counts}, ${kept} kept as they came, ${existing} known already`;
  const sums = { ...Object.fromEntries(stored), kept, existing };
  return {
    lines: [`${loaded.length} of ${planned} bundles loaded in ${took}${skipped}: ${what}.`],
    result: { planned, loaded: loaded.length, sums, files: results },
    ok: loaded.length === planned,
  };
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function keptOf(answer: Stored): number {
  return Object.values(answer.kept).reduce((sum, n) => sum + n, 0);
}

function counted(n: number, noun: string): string {
  return n === 0 ? "" : `${n} ${noun}${n === 1 ? "" : "s"}`;
}
