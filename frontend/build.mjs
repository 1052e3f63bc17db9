/**
 * Bundles the module into the integration. With --check it says whether what stands there is what the sources
 * give; with --dev it bundles the development page; --sizes prints what each source file weighs.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { gzipSync } from "node:zlib";
import { build, transformSync } from "esbuild";

const OUT = new URL("../custom_components/spin/frontend/", import.meta.url);
const BUDGET = { minified: 60_000, gzip: 20_000 };
const manifest = new URL("../custom_components/spin/manifest.json", import.meta.url);
const version = JSON.parse(readFileSync(manifest, "utf8")).version;

/** What a browser would not show: white space between the tags of templates, and in style sheets. */
function compact(source) {
  return source
    .replace(/css`([^]*?)`/g, (_, sheet) => {
      const values = [];
      const marked = sheet.replace(/\$\{[^}]*\}/g, (value) => `__${values.push(value) - 1}__`);
      const { code } = transformSync(marked, { loader: "css", minify: true });
      return (
        "css`" +
        code
          .trim()
          .replace(/\\/g, "\\\\")
          .replace(/__(\d+)__/g, (_, index) => values[index]) +
        "`"
      );
    })
    .replace(/\n\s+/g, "\n")
    .replace(/([>}])\n(?=<|\$\{)/g, (whole, before) => (before === ">" ? ">" : whole));
}

const templates = {
  name: "templates",
  setup(builder) {
    builder.onLoad({ filter: /frontend\/src\/.*\.ts$/ }, ({ path }) => ({
      contents: compact(readFileSync(path, "utf8")),
      loader: "ts",
    }));
  },
};

const common = {
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  absWorkingDir: new URL(".", import.meta.url).pathname,
  define: { __VERSION__: JSON.stringify(version) },
  plugins: [templates],
};

async function bundle() {
  const { outputFiles, metafile } = await build({
    ...common,
    entryPoints: { spin: "src/main.ts" },
    outdir: "built",
    chunkNames: "spin-[hash]",
    splitting: true,
    minify: true,
    write: false,
    metafile: true,
  });
  if (process.argv.includes("--sizes"))
    for (const [name, { inputs }] of Object.entries(metafile.outputs))
      for (const [path, { bytesInOutput }] of Object.entries(inputs))
        console.log(name, String(bytesInOutput).padStart(7), path);
  const contents = new Map(outputFiles.map(({ path, contents }) => [basename(path), contents]));
  return { contents, first: loadedFirst(metafile.outputs) };
}

/** The entry and what it imports at once: what a browser loads before it draws. */
function loadedFirst(outputs) {
  const [entry] = Object.entries(outputs).find(([, { entryPoint }]) => entryPoint === "src/main.ts");
  const first = new Set([entry]);
  for (const path of first)
    for (const { path: next, kind } of outputs[path].imports)
      if (kind === "import-statement") first.add(next);
  return [...first].map((path) => basename(path));
}

if (process.argv.includes("--dev")) {
  await build({ ...common, entryPoints: ["dev/page.ts"], outfile: "dev/built/page.js", sourcemap: "inline" });
} else {
  const { contents, first } = await bundle();
  if (process.argv.includes("--check")) check(contents);
  else write(contents);
  judge(contents, first);
}

function committed() {
  return existsSync(OUT) ? readdirSync(OUT).filter((name) => name.endsWith(".js")) : [];
}

/** Whether what is committed is what the sources give. */
function check(contents) {
  const there = committed();
  const isSame = ([name, content]) =>
    there.includes(name) && readFileSync(new URL(name, OUT)).equals(content);
  if (there.length === contents.size && [...contents].every(isSame)) return;
  console.error("The committed module is not what its sources give: run script/build-frontend.");
  process.exitCode = 1;
}

function write(contents) {
  mkdirSync(OUT, { recursive: true });
  for (const name of committed()) if (!contents.has(name)) rmSync(new URL(name, OUT));
  for (const [name, content] of contents) writeFileSync(new URL(name, OUT), content);
}

function judge(contents, first) {
  const size = (names) => {
    const all = names.map((name) => contents.get(name));
    const sum = (bytes) => all.reduce((total, content) => total + bytes(content), 0);
    return { minified: sum((each) => each.length), gzip: sum((each) => gzipSync(each, { level: 9 }).length) };
  };
  const start = size(first);
  const whole = size([...contents.keys()]);
  console.log(`before the first picture: ${start.minified} bytes, ${start.gzip} with gzip`);
  console.log(`with what is loaded after it: ${whole.minified} bytes, ${whole.gzip} with gzip`);
  if (start.minified <= BUDGET.minified && start.gzip <= BUDGET.gzip) return;
  console.error(`over the budget of ${BUDGET.minified} / ${BUDGET.gzip}`);
  process.exitCode = 1;
}
