// A relay in a process of its own, to be killed: node relay-process.ts <database url> <broker url>
import { createPool } from "@medvault/postgres";
import { connectBroker } from "../src/broker.ts";
import { createRelay } from "../src/relay.ts";

const [connectionString = "", url = ""] = process.argv.slice(2);
const silent = { info() {}, warn() {}, error() {} };
createRelay({
  pool: createPool({ connectionString, applicationName: "relay to be killed" }),
  source: "records",
  broker: connectBroker({ url, logger: silent }),
  logger: silent,
  batchRows: 20,
  leaseMs: 200,
}).start();
