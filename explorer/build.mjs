// Builds the page into the folder that the first argument names. What is shipped comes from the pinned packages.
import { build } from "esbuild";
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

const target = process.argv[2];
if (!target) {
  throw new Error("Say where to: node build.mjs ../pipelines/explorer/static");
}
const engine = "node_modules/@duckdb/duckdb-wasm/dist";
// Only the build for browsers with WebAssembly exceptions: all of them have had these since 2022.
const parts = ["duckdb-eh.wasm", "duckdb-browser-eh.worker.js"];
const licensed = ["@duckdb/duckdb-wasm", "apache-arrow", "chart.js", "@kurkle/color", "lit-html", "flatbuffers", "tslib"];

await rm(target, { recursive: true, force: true });
await mkdir(target, { recursive: true });
await build({
  entryPoints: ["src/app.js", "src/app.css"],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "none",
  outdir: target,
});
await copyFile("src/index.html", join(target, "index.html"));
for (const part of parts) {
  await copyFile(join(engine, part), join(target, part));
}
const texts = await Promise.all(licensed.map(async (name) => {
  const { version, license } = JSON.parse(await readFile(`node_modules/${name}/package.json`, "utf-8"));
  const files = ["LICENSE", "LICENSE.md", "LICENSE.txt", "CopyrightNotice.txt"];
  const found = await Promise.all(files.map((file) => readFile(`node_modules/${name}/${file}`, "utf-8").catch(() => "")));
  return `${name} ${version} (${license})\n\n${found.filter(Boolean).join("\n")}`;
}));
await writeFile(join(target, "licenses.txt"), texts.join("\n\n----------\n\n"));
