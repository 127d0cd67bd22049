import { JwksView } from "@medvault/contracts";
import { openToGuests } from "@medvault/service-kit";
import type { Router } from "express";
import type pg from "pg";
import { publicJwks } from "./access-token.ts";

export function jwksRoutes(router: Router, pool: pg.Pool): void {
  router.get("/.well-known/jwks.json", openToGuests(), async (_req, res) => {
    res.setHeader("Cache-Control", "public, max-age=300");
    res.json(JwksView.parse(await publicJwks(pool)));
  });
}
