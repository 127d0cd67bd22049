import { parseArgs } from "node:util";
import { sentenceFor } from "../dev/lib/words.mjs";
import { rabbitFailover } from "./failover/rabbitmq.ts";
import { redisFailover } from "./failover/redis.ts";

const HELP = `npm run rehearse:failover -- redis | rabbitmq [--rate 50]

Starts three servers and a MedVault on them, all on this machine and in data of its own under .data,
sends --rate requests a second, every other one a write, and kills (-9) the server that leads.
  redis      three Redis and three sentinels with TLS: the leader is killed twice. Sessions that ended
             stay ended, a lockout and a limit stay exact; three minutes
  rabbitmq   three RabbitMQ nodes: the one that leads the audit queue is killed, then the next, then
             both come back. No request fails, no event is missing or doubled; five minutes
It ends with what was seen, and with exit code 1 where something was not as it should be; a machine
that is busy with other work refuses requests too. The logs of the servers stay in
.data/rehearse-<what>/log, those of MedVault in .data/rehearse-<what>-medvault.
`;

const say = (line: string) => console.log(line);
const WHAT = { redis: redisFailover, rabbitmq: rabbitFailover };

async function main(): Promise<number> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { rate: { type: "string", default: "50" }, help: { type: "boolean", short: "h" } },
  });
  const [what = "", ...rest] = positionals;
  const rate = Number(values.rate);
  const isKnown = Object.hasOwn(WHAT, what) && rest.length === 0 && rate > 0 && rate <= 1_000;
  if (values.help || !isKnown) {
    process.stderr.write(HELP);
    return values.help || positionals.length === 0 ? 0 : 2;
  }
  try {
    await WHAT[what as keyof typeof WHAT](say, rate);
    say(`${what}: passed`);
    return 0;
  } catch (error) {
    console.error(`${what}: ${sentenceFor(error) ?? (error as Error).stack}`);
    return 1;
  }
}

process.exitCode = await main();
