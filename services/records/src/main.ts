import { run } from "@medvault/runtime";
import { service } from "./service.ts";

await run(service);
