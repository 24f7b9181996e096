// Builds the widget: one minified script. Its first line carries the SHA-256 of the sources, so that `cargo xtask tidy` can
// tell without Node whether it is fresh. With `--check` it writes nothing, and fails where the kept file differs.

import { build as esbuild, transform } from "esbuild";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "../assets/widget.js");
/** Contract: under 30 KB compressed. */
const MOST_BYTES = 30_000;
/** What would turn a text into markup or code (T33). */
const SINKS = /\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|Function|DOMParser|createContextualFragment|srcdoc|importScripts)\b/u;

/** Every file below `src`, relative to it, with `/`, sorted by its bytes. */
function sources(folder = "") {
  const names = readdirSync(join(here, "src", folder)).map((name) => (folder ? `${folder}/${name}` : name));
  const files = names.flatMap((name) => (statSync(join(here, "src", name)).isDirectory() ? sources(name) : [name]));
  return files.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

/** Over path, line feed, content (line ends as LF), zero byte, of every file. */
function fingerprint() {
  const hash = createHash("sha256");
  for (const name of sources()) {
    hash.update(`${name}\n`);
    hash.update(readFileSync(join(here, "src", name), "utf8").replaceAll("\r\n", "\n"));
    hash.update("\0");
  }
  return hash.digest("hex");
}

const css = {
  name: "css",
  setup(build) {
    build.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(readFileSync(path, "utf8"), { loader: "css", minify: true });
      return { contents: code.trim(), loader: "text" };
    });
  },
};

/** Packs the languages: without it their names alone, fifteen times each, cost two kilobytes of the thirty. */
const languages = {
  name: "languages",
  setup(build) {
    build.onLoad({ filter: /[\\/]i18n[\\/]all\.ts$/ }, async ({ path }) => {
      const { outputFiles } = await esbuild({ entryPoints: [path], bundle: true, write: false, format: "esm", charset: "utf8" });
      const { LANGUAGES } = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].text).toString("base64")}`);
      return { contents: packed(LANGUAGES), loader: "js" };
    });
  },
};

const FORMS = ["zero", "one", "two", "few", "many", "other"];

function packed(all) {
  const names = Object.keys(all.en).filter((name) => name !== "unread");
  const line = (words) => [...FORMS.map((form) => words.unread[form] ?? ""), ...names.map((name) => words[name])].join("|");
  const lines = Object.fromEntries(Object.entries(all).map(([code, words]) => [code, line(words)]));
  if (Object.values(lines).some((text) => text.split("|").length !== names.length + FORMS.length)) {
    throw new Error("a text holds the separator");
  }
  return `
    const names = ${JSON.stringify(names.join("|"))}.split("|"), forms = ${JSON.stringify(FORMS.join("|"))}.split("|");
    export const LANGUAGES = ${JSON.stringify(lines)};
    for (const code in LANGUAGES) {
      const texts = LANGUAGES[code].split("|"), words = { unread: {} };
      forms.forEach((form, at) => texts[at] && (words.unread[form] = texts[at]));
      names.forEach((name, at) => (words[name] = texts[at + forms.length]));
      LANGUAGES[code] = words;
    }`;
}

export async function bundle() {
  const result = await esbuild({
    entryPoints: [join(here, "src/main.ts")],
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    plugins: [css, languages],
  });
  return `/* Lodge chat widget. Built, do not edit. Sources: sha256:${fingerprint()} */\n${result.outputFiles[0].text}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const text = await bundle();
  const size = gzipSync(text, { level: 9 }).length;
  if (size > MOST_BYTES) {
    console.error(`widget.js: ${size} bytes compressed, ${MOST_BYTES} at most`);
    process.exit(1);
  }
  const sink = SINKS.exec(text);
  if (sink) {
    console.error(`widget.js: ${sink[0]} takes markup or code; build elements instead`);
    process.exit(1);
  }
  if (process.argv.includes("--check")) {
    if (readFileSync(target, "utf8") !== text) {
      console.error("assets/widget.js is stale; run: npm run build");
      process.exit(1);
    }
  } else {
    writeFileSync(target, text);
  }
  console.log(`widget.js: ${text.length} characters, ${size} bytes compressed`);
}
