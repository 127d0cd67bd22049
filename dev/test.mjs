// npm test: servers of its own, then one vitest run over the whole repository.

import { command, handOver } from "./lib/cli.mjs";
import { dataDir, sharedPath } from "./lib/paths.mjs";
import { checkNode, checkPlatform, checkRoom, ensurePackages } from "./lib/prepare.mjs";

const HELP = `npm test [-- vitest's arguments]

Starts its own Postgres, Redis and RabbitMQ, apart from those of npm start, runs every
test once and stops them. Given DATABASE_URL, REDIS_URL or AMQP_URL, those are used.

  npm test -- libs/crypto      the tests of one folder
  npm test -- -t "a sentence"  tests by name`;

await command(HELP, async (args) => {
  checkNode();
  const data = dataDir(sharedPath("test"));
  checkPlatform(process.platform, process.env);
  checkRoom(data, process.env);
  await ensurePackages(console.log);
  return handOver("dev/run/test.ts", args);
});
