// Compiles DealStatus.sol to DealStatus.json, the same bytes every time.
//
//   npm i --prefix DIR solc@0.8.37
//   RAAS_SOLC_DIR=DIR node compile.mjs [OUTPUT]
//
// OUTPUT is DealStatus.json beside this file unless named. Nothing but the compiler is needed: it
// is WebAssembly, and asks no network.

import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const SOLC = "0.8.37";
const SOURCES = ["DealStatus.sol", "Inclusion.sol", "Market.sol"];
// EIP-170; the FEVM keeps it too (builtin-actors actors/evm/src/lib.rs, MAX_CODE_SIZE).
const MAX_CODE_SIZE = 24_576;

const SETTINGS = {
  // Deployed once, called often: but every call is dominated by what the market actor charges.
  optimizer: { enabled: true, runs: 200 },
  // Paris has no opcode that any FEVM since network version 21 lacks.
  evmVersion: "paris",
  // No hash of the sources in the bytecode: a comment or a path changes nothing.
  metadata: { bytecodeHash: "none", appendCBOR: false },
};

const here = dirname(fileURLToPath(import.meta.url));

function fail(message) {
  console.error(message);
  process.exit(1);
}

function loadCompiler() {
  const dir = process.env.RAAS_SOLC_DIR;
  if (!dir) fail(`set RAAS_SOLC_DIR to a directory where you ran: npm i --prefix DIR solc@${SOLC}`);
  const solc = createRequire(join(resolve(dir), "package.json"))("solc");
  if (!solc.version().startsWith(`${SOLC}+`)) {
    fail(`this contract is compiled with solc ${SOLC}, not ${solc.version()}: npm i --prefix ${dir} solc@${SOLC}`);
  }
  return solc;
}

function compile(solc) {
  const sources = Object.fromEntries(
    SOURCES.map((name) => [name, { content: readFileSync(join(here, name), "utf8") }]),
  );
  const outputs = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"];
  const input = {
    language: "Solidity",
    sources,
    settings: { ...SETTINGS, outputSelection: { "DealStatus.sol": { DealStatus: outputs } } },
  };
  const output = JSON.parse(solc.compile(JSON.stringify(input)));
  // Warnings count: there are none, and there shall be none.
  if (output.errors?.length) fail(output.errors.map((e) => e.formattedMessage).join("\n"));
  return output.contracts["DealStatus.sol"].DealStatus;
}

const solc = loadCompiler();
const contract = compile(solc);
const size = contract.evm.deployedBytecode.object.length / 2;
if (size > MAX_CODE_SIZE) fail(`the contract has ${size} bytes, the limit is ${MAX_CODE_SIZE}`);

const artefact = {
  abi: contract.abi,
  bytecode: `0x${contract.evm.bytecode.object}`,
  deployedBytecode: `0x${contract.evm.deployedBytecode.object}`,
  compiler: `solc ${SOLC}`,
  settings: SETTINGS,
};
writeFileSync(process.argv[2] ?? join(here, "DealStatus.json"), `${JSON.stringify(artefact, null, 2)}\n`);
