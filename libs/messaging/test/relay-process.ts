// A relay in a process of its own, to be killed: node relay-process.ts <database url> <broker url>
import { createPool } from "@medvault/postgres";
import { createRelay } from "../src/relay.ts";

const [connectionString = "", amqpUrl = ""] = process.argv.slice(2);
const silent = { info() {}, warn() {}, error() {} };
createRelay({
  pool: createPool({ connectionString, applicationName: "relay to be killed" }),
  source: "records",
  amqpUrl,
  logger: silent,
  batchRows: 20,
  leaseMs: 200,
}).start();
