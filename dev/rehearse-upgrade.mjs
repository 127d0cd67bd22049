// npm run rehearse:upgrade: this version takes over from the one before it, under traffic.
import { command, handOver } from "./lib/cli.mjs";
import { checkNode, ensurePackages } from "./lib/prepare.mjs";

const HELP = `npm run rehearse:upgrade [-- --from <tag or commit>] [--forward-only]

Starts the version before this one with a demo, and lets people work with it. Then this version's
migrations run beside it, its processes start beside the old ones, which are retired one by one, and
the same back again. Passes when no request failed and everything written is there, in the audit log
too. Needs the git history, Linux, and some minutes of a machine that does little else: the gateway
gives up on an answer after 2.5 s, and that is a failed request.

  --from           the version before; default: the last release (tag vX.Y.Z), without one the commit
                   before the last three that added migrations
  --forward-only   does not go back: for a version whose changelog says that there is no way back`;

await command(HELP, async (args) => {
  checkNode();
  await ensurePackages(console.log);
  return handOver("dev/release/rehearse.ts", args);
});
