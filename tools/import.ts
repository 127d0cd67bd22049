import { readOptions, UsageError, usage } from "./import/options.ts";
import { createReporter } from "./import/report.ts";
import { bundlePaths, type FileResult, sendBundle } from "./import/send.ts";
import { signIn } from "./import/session.ts";

/** `npm run import -- <bundle.json[.gz] …>`: posts FHIR R4 bundles to POST /v1/fhir, one after the other. */
async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2), process.env);
  if (options === "help") {
    process.stdout.write(usage);
    return 0;
  }
  const paths = await bundlePaths(options.paths);
  const client = await signIn(options);
  const reporter = createReporter(options.json, paths.length);
  const results: FileResult[] = [];
  for (const path of paths) {
    reporter.starting(path);
    const result = await sendBundle(client, path, reporter.waiting);
    results.push(result);
    reporter.done(result);
    // What stops one file of these stops all that follow.
    if (!result.ok && result.fatal) break;
  }
  reporter.summary(results, paths.length);
  return results.length === paths.length && results.every((result) => result.ok) ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  const sentence = error instanceof Error ? error.message : String(error);
  process.stderr.write(`import: ${sentence}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
