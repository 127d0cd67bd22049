// What MedVault is compared with: Express 5 and pg over a table in clear, with nothing else: no
// sign-in, no access rule, no audit, no key. Takes the database's URL and a folder for files;
// prints its port.
import { randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import express from "express";
import pg from "pg";

const [connectionString = "", folder = ""] = process.argv.slice(2);
const pool = new pg.Pool({ connectionString, max: 10 });
const COLUMNS = "id, patient_id, medication, dosage, frequency, refills, start_date, status, created_at";
const app = express();
app.disable("x-powered-by");
app.set("etag", false);

app.get("/v1/prescriptions/:id", async (req, res) => {
  const { rows } = await pool.query({
    name: "read",
    text: `select ${COLUMNS} from bare.prescriptions where id = $1`,
    values: [req.params.id],
  });
  res.status(rows[0] ? 200 : 404).json(rows[0] ?? {});
});
app.get("/v1/prescriptions", async (_req, res) => {
  const text = `select ${COLUMNS} from bare.prescriptions order by start_date desc, id desc limit 20`;
  const { rows } = await pool.query({ name: "list", text, values: [] });
  res.json({ items: rows });
});
app.post("/v1/prescriptions", express.json(), async (req, res) => {
  const { patientId, medication, dosage, startDate, status } = req.body;
  const { rows } = await pool.query({
    name: "create",
    text: `insert into bare.prescriptions values ($1, $2, $3, $4, null, 0, $5, $6, now()) returning ${COLUMNS}`,
    values: [randomUUID(), patientId, medication, dosage, startDate, status],
  });
  res.status(201).json(rows[0]);
});
app.post("/v1/prescriptions/search", express.json(), async (req, res) => {
  const { rows } = await pool.query({
    name: "search",
    text: `select ${COLUMNS} from bare.prescriptions where medication ilike $1
            order by start_date desc, id desc limit 20`,
    values: [`%${req.body.q}%`],
  });
  res.json({ items: rows });
});
app.post("/v1/files", async (req, res) => {
  const id = randomUUID();
  await pipeline(req, createWriteStream(path.join(folder, id)));
  res.status(201).json({ id });
});
app.get("/v1/files/:id/content", async (req, res) => {
  res.setHeader("content-length", req.query.bytes as string);
  // A client that goes away in the middle of a round is no fault.
  await pipeline(createReadStream(path.join(folder, path.basename(req.params.id))), res).catch(() =>
    res.destroy(),
  );
});

const server = app.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.stdout.write(`${typeof address === "object" ? address?.port : ""}\n`);
});
process.once("disconnect", () => process.exit());
