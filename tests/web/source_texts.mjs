// What the modules of the page say: the texts that go through `say`, and the strings that should.

import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import ts from "../browser/node_modules/typescript/lib/typescript.js";

const WEB = fileURLToPath(new URL("../../web/", import.meta.url));
const SAY = ["say", "sayCount"];
/** Calls that show their arguments, from the first one that is shown. */
const SHOWING_CALLS = { element: 2, scrollArea: 1, showMessage: 0, tell: 0 };
const SHOWN_PROPERTIES = [
  "textContent", "title", "alt", "label", "placeholder", "summary", "detail", "content", "tooltip",
];
const SHOWN_ATTRIBUTES = ["aria-label", "aria-valuetext", "aria-description", "title", "alt"];
/** Two words of a sentence: no names of CSS classes, of files or of nodes. */
const SENTENCE = /(^|\s)\p{L}\p{Ll}+[,.]? \p{Ll}+([\s.,:?]|$)/u;

/** The modules in web/, parsed, by name. */
export const modules = new Map(fs.readdirSync(WEB, { recursive: true }).filter((name) => name.endsWith(".js")).map(
  (name) => [name, parse(fs.readFileSync(path.join(WEB, name), "utf-8"))],
));

/** @param {string} source */
export function parse(source) {
  return ts.createSourceFile("module.js", source, ts.ScriptTarget.Latest, true, ts.ScriptKind.JS);
}

/** The texts of a module that go through `say`, also those that it keeps in a constant. */
export const saidTexts = (file) => strings(file).filter(([, node]) => isSaid(node, file)).map(([text]) => text);

/** What a module shows without `say`. */
export const unsaidTexts = (file) =>
  strings(file).filter(([text, node]) => !isSaid(node, file) && looksShown(text, node)).map(([text]) => text);

/** All strings with their nodes, and of templates what is between the values. */
function strings(node) {
  const text = textOf(node);
  if (text !== undefined) return [[text, node]];
  const inner = [];
  ts.forEachChild(node, (child) => void inner.push(...strings(child)));
  return inner;
}

/** The text of a string, also of one in several parts. */
function textOf(node) {
  if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node)) return node.text;
  if (!ts.isBinaryExpression(node) || node.operatorToken.kind !== ts.SyntaxKind.PlusToken) return undefined;
  const [left, right] = [textOf(node.left), textOf(node.right)];
  return left === undefined || right === undefined ? undefined : left + right;
}

/** The nodes around one up to the call that has it among its arguments, the nearest first. */
function upToCall(node) {
  const { parent } = node;
  if (!parent) return [];
  return ts.isCallExpression(parent) && parent.expression !== node ? [parent] : [parent, ...upToCall(parent)];
}

const nameOf = ({ expression: called }) => called.name?.text ?? called.text;

/** Whether a node is a text of `say`; the values of a text are not. */
function isInSay(node) {
  const outer = upToCall(node);
  const call = outer.find(ts.isCallExpression);
  return Boolean(call) && SAY.includes(nameOf(call)) && !outer.some(ts.isObjectLiteralExpression);
}

function isSaid(node, file) {
  const constant = ts.isVariableDeclaration(node.parent) && node.parent.name.text;
  return isInSay(node) || (Boolean(constant) && identifiers(file, constant).some(isInSay));
}

function identifiers(node, name) {
  const found = [];
  ts.forEachChild(node, (child) => void found.push(...identifiers(child, name)));
  return ts.isIdentifier(node) && node.text === name ? [node, ...found] : found;
}

/** Whether the user sees a string, by its place in the code or because it is a sentence. */
function looksShown(text, node) {
  const isCompared = ts.isBinaryExpression(node.parent) && node.parent.operatorToken.kind !== ts.SyntaxKind.PlusToken &&
    !ts.isAssignmentOperator(node.parent.operatorToken.kind);
  const isKey = node.parent.name === node;
  return /\p{L}{2}/u.test(text) && !isCompared && !isKey && (SENTENCE.test(text) || isInShownPlace(node));
}

function isInShownPlace(node) {
  const chain = [node, ...upToCall(node)];
  return chain.slice(1).some((outer, index) => {
    if (ts.isCallExpression(outer)) return isShownArgument(outer, outer.arguments.indexOf(chain[index]));
    if (ts.isPropertyAssignment(outer)) return [...SHOWN_PROPERTIES, ...SHOWN_ATTRIBUTES].includes(outer.name.text);
    const isValue = ts.isBinaryExpression(outer) && outer.right === chain[index];
    return isValue && SHOWN_PROPERTIES.includes(outer.left.name?.text);
  });
}

function isShownArgument(call, position) {
  if (nameOf(call) === "setAttribute") return position === 1 && SHOWN_ATTRIBUTES.includes(call.arguments[0].text);
  return position >= (SHOWING_CALLS[nameOf(call)] ?? Infinity);
}
