/** A small service for tests that need a process to signal. Prints its port as JSON. */
import { AssertionVerifier, createApp, createLogger, lifecycleOf, serve, streamRoute } from "../src/index.ts";

const logger = createLogger({ service: "fixture", level: "info" });
const [jwks = "{}"] = process.argv.slice(2);
let stored = 0;

const app = createApp({
  logger,
  assertions: new AssertionVerifier(JSON.parse(jwks), "fixture"),
  readiness: async () => ({ postgres: "ok" }),
  routes: [
    streamRoute({ method: "POST", path: "/v1/things", summary: "Store" }, async ({ res }) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      stored += 1;
      res.status(201).json({ stored });
    }),
    streamRoute({ method: "GET", path: "/v1/stream", summary: "Stream" }, async ({ req, res }) => {
      res.type("text/event-stream").write("data: hello\n\n");
      lifecycleOf(req.app).draining.addEventListener("abort", () => res.end("data: bye\n\n"));
    }),
  ],
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
