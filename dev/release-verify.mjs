// npm run release:verify: whether a release is as it was made.
import { command } from "./lib/cli.mjs";
import { HELP, verifyCommand } from "./release/verify.mjs";

await command(HELP, verifyCommand);
