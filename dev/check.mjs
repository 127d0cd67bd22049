// npm run check: types, lint, import directions, unused code, house rules.
import { command, handOver } from "./lib/cli.mjs";
import { checkNode, ensurePackages } from "./lib/prepare.mjs";

const HELP = `npm run check

Everything that CI checks besides the tests: types and lint (cached by turbo), the directions
of imports, unused files, exports and dependencies, and the house rules.
npm run format puts formatting right.`;

await command(HELP, async (args) => {
  checkNode();
  await ensurePackages(console.log);
  return handOver("dev/run/check.ts", args);
});
