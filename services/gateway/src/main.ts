import { run } from "@medvault/runtime";
import { gateway } from "./service.ts";

await run(gateway);
