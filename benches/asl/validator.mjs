// The same measure for npm's asl-validator, the validator that serverless-step-functions uses.
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";

const validate = createRequire(process.cwd() + "/")("asl-validator");
const folder = process.argv[2];
const definitions = readdirSync(folder).flatMap((file) => {
  try {
    return [readFileSync(`${folder}/${file}`, "utf8")].filter((text) => JSON.parse(text).States);
  } catch {
    return [];
  }
});
const count = (level) =>
  Object.values(level?.States ?? {}).reduce(
    (sum, state) =>
      sum + 1 + [state?.ItemProcessor, state?.Iterator, ...(state?.Branches ?? [])].reduce((sum, level) => sum + count(level), 0),
    0,
  );
const states = definitions.reduce((sum, text) => sum + count(JSON.parse(text)), 0);
const run = typeof validate === "function" ? validate : (validate.default ?? validate.validator);
// It throws where it does not know what to say.
const lint = (text) => {
  try {
    run(JSON.parse(text));
    return 0;
  } catch {
    return 1;
  }
};
const thrown = definitions.reduce((sum, text) => sum + lint(text), 0);
let rounds = 0;
const start = performance.now();
while (performance.now() - start < 3000) {
  for (const text of definitions) lint(text);
  rounds += 1;
}
const micros = ((performance.now() - start) * 1000) / rounds;
console.log(
  `asl-validator: ${definitions.length} definitions, ${states} states, ${(micros / states).toFixed(2)} µs a state, ${(micros / definitions.length).toFixed(0)} µs a definition, ${thrown} ended in an exception`,
);
