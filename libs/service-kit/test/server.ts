/** A small service on its own, for the tests that need a process to signal. Prints its port as JSON. */
import { openToGuests } from "../src/access.ts";
import { AssertionVerifier, createApp, createLogger, lifecycleOf, serve } from "../src/index.ts";

const logger = createLogger({ service: "fixture", level: "info" });
const [jwks = "{}"] = process.argv.slice(2);
let stored = 0;

const app = createApp({
  service: "fixture",
  logger,
  assertions: new AssertionVerifier(JSON.parse(jwks), "fixture"),
  readiness: async () => ({ postgres: "ok" }),
  routes: (router) => {
    router.post("/v1/things", openToGuests(), async (_req, res) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      stored += 1;
      res.status(201).json({ stored });
    });
    router.get("/v1/stream", openToGuests(), (req, res) => {
      res.type("text/event-stream").write("data: hello\n\n");
      lifecycleOf(req.app).draining.addEventListener("abort", () => res.end("data: bye\n\n"));
    });
  },
});

await serve({
  app,
  port: 0,
  adminPort: 0,
  logger,
  onStop: [
    () => Promise.reject(new Error("a part that does not stop cleanly")),
    () => void process.stdout.write(`${JSON.stringify({ stored })}\n`),
  ],
});
