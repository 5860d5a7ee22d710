// Draws the API's description from its OpenAPI document, and sends what you want to try.
"use strict";

const METHODS = ["get", "post", "put", "delete"];

// An element with attributes and children; a child that is text can't become markup.
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// The document's texts are Markdown, of which they use only the backtick.
function prose(text = "") {
  return text.split("`").map((piece, i) => (i % 2 ? element("code", {}, piece) : piece));
}

const nameOf = (reference) => reference.split("/").pop();
const link = (name) => element("a", { href: `#schema-${name}` }, name);

// What a schema asks for, in a few words. Patterns are left to the document: they are for machines.
function look(schema) {
  if (schema.$ref) return [link(nameOf(schema.$ref))];
  const words = schema.items ? ["list of ", ...look(schema.items)] : [[schema.type].flat().join(" or ")];
  const bounds = [["minLength", "maxLength", " characters"], ["minItems", "maxItems", " items"], ["minimum", "maximum", ""]];
  for (const [least, most, unit] of bounds) {
    const [from, to] = [schema[least], schema[most]];
    if (from !== undefined && to !== undefined) words.push(`, ${from} to ${to}${unit}`);
    else if (from !== undefined) words.push(`, at least ${from}${unit}`);
    else if (to !== undefined) words.push(`, at most ${to}${unit}`);
  }
  if (schema.default !== undefined) words.push(`, ${schema.default} if left out`);
  return words;
}

function table(caption, titles, rows) {
  const head = element("tr", {}, ...titles.map((title) => element("th", { scope: "col" }, title)));
  const body = rows.map(([first, ...rest]) =>
    element("tr", {}, element("th", { scope: "row" }, ...first), ...rest.map((cell) => element("td", {}, ...cell))));
  const made = element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
  if (caption) made.prepend(element("caption", {}, caption));
  return element("div", { class: "wide" }, made);
}

const json = (value) => element("pre", { tabindex: "0" }, JSON.stringify(value, null, 2));
const badge = (method) => element("span", { class: `method ${method}` }, method.toUpperCase());
const status = (code) => element("span", { class: `status s${String(code)[0]}` }, String(code));

function answer(code, response) {
  const content = response.content?.["application/json"];
  const title = [status(code), ` ${response.description}`];
  if (!content) return element("p", { class: "answer" }, ...title);
  const examples = content.examples ? Object.values(content.examples).map((it) => it.value) : [content.example];
  return element("details", {}, element("summary", {}, ...title), ...examples.map(json));
}

function access(security) {
  if (security.length === 0) return "For anyone.";
  return security.length === 1 ? "For those who are signed in." : "For anyone; with a token, as its owner sees it.";
}

// A form that sends the operation to this very server.
function trial(api, method, path, operation) {
  const inputs = (operation.parameters ?? []).map((parameter) => {
    const input = element("input", { name: parameter.name, autocomplete: "off" });
    input.required = parameter.required;
    return { parameter, input, label: element("label", {}, `${parameter.name} `, input) };
  });
  const example = operation.requestBody?.content["application/json"].example;
  const body = example && element("textarea", { rows: "8", spellcheck: "false", "aria-label": "Body" }, JSON.stringify(example, null, 2));
  const output = element("div", { "aria-live": "polite" });
  const form = element("form", {}, ...inputs.map((it) => it.label), ...(body ? [body] : []), element("button", {}, "Send"), output);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    let url = api + path;
    const query = new URLSearchParams();
    for (const { parameter, input } of inputs) {
      if (parameter.in === "path") url = url.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (input.value) query.set(parameter.name, input.value);
    }
    const token = document.getElementById("token").value.trim();
    const headers = {};
    if (token && operation.security.length > 0) headers.Authorization = `Token ${token}`;
    if (body) headers["Content-Type"] = "application/json";
    try {
      // Without cookies: the API knows nobody by them.
      const sent = { method: method.toUpperCase(), headers, body: body?.value, credentials: "omit" };
      const response = await fetch(query.size ? `${url}?${query}` : url, sent);
      const text = await response.text();
      const parsed = text ? JSON.parse(text) : null;
      if (parsed?.user?.token) document.getElementById("token").value = parsed.user.token;
      output.replaceChildren(element("p", {}, status(response.status), ` ${response.statusText}`), ...(parsed ? [json(parsed)] : []));
    } catch (error) {
      output.replaceChildren(element("p", {}, `No answer: ${error.message}`));
    }
  });
  return element("details", {}, element("summary", {}, "Try it"), form);
}

function describe(api, method, path, operation) {
  const parts = [
    element("h3", {}, badge(method), " ", element("code", {}, path)),
    element("p", {}, `${operation.summary}. `, element("span", { class: "who" }, access(operation.security))),
  ];
  if (operation.parameters) {
    const rows = operation.parameters.map((it) => [[element("code", {}, it.name)], [it.in], look(it.schema), prose(it.description)]);
    parts.push(table("Parameters", ["Name", "In", "Looks like", "Meaning"], rows));
  }
  const content = operation.requestBody?.content["application/json"];
  if (content) {
    const [name, field] = Object.entries(content.schema.properties)[0];
    parts.push(element("h4", {}, "Body"));
    parts.push(element("p", {}, "In ", element("code", {}, name), " a ", link(nameOf(field.$ref)), ":"), json(content.example));
  }
  parts.push(trial(api, method, path, operation), element("h4", {}, "Answers"));
  parts.push(...Object.entries(operation.responses).map(([code, response]) => answer(code, response)));
  return element("article", { id: operation.operationId }, ...parts);
}

function describeSchema(name, schema) {
  const parts = [element("h3", {}, name), element("p", {}, ...prose(schema.description))];
  if (schema.properties) {
    const rows = Object.entries(schema.properties).map(([field, it]) => {
      const optional = schema.required?.includes(field) ? [] : [" ", element("span", { class: "optional" }, "optional")];
      return [[element("code", {}, field), ...optional], look(it), prose(it.description)];
    });
    parts.push(table(null, ["Field", "Looks like", "Meaning"], rows));
  }
  return element("article", { id: `schema-${name}` }, ...parts);
}

function draw(api) {
  const groups = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((it) => methods[it])) {
      const group = methods[method].tags[0];
      groups.set(group, [...(groups.get(group) ?? []), { method, path, operation: methods[method] }]);
    }
  }
  const contents = [], sections = [];
  for (const [group, operations] of groups) {
    const items = operations.map(({ method, path, operation }) =>
      element("li", {}, element("a", { href: `#${operation.operationId}` }, badge(method), ` ${path}`)));
    contents.push(element("h2", {}, group), element("ul", {}, ...items));
    const described = operations.map(({ method, path, operation }) => describe(api.servers[0].url, method, path, operation));
    sections.push(element("section", {}, element("h2", {}, group), ...described));
  }
  contents.push(element("h2", {}, "schemas"), element("ul", {}, ...Object.keys(api.components.schemas).map((name) => element("li", {}, link(name)))));
  const schemas = Object.entries(api.components.schemas).map(([name, schema]) => describeSchema(name, schema));
  const token = element("input", { id: "token", autocomplete: "off", spellcheck: "false" });
  const signIn = element("section", {}, element("h2", {}, "signing in"),
    element("p", {}, "The header ", element("code", {}, "Authorization"), ": ", ...prose(api.components.securitySchemes.token.description)),
    element("label", {}, "Token for what you try here (registering or signing in below fills it in) ", token));
  document.getElementById("about").replaceChildren(...prose(api.info.description));
  document.getElementById("contents").replaceChildren(...contents);
  document.getElementById("operations").replaceChildren(signIn, ...sections, element("section", {}, element("h2", {}, "schemas"), ...schemas));
  // The place that the address names is there only now.
  if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
}

fetch("openapi.json")
  .then((response) => (response.ok ? response.json() : Promise.reject(new Error(String(response.status)))))
  .then(draw)
  .catch((error) => document.getElementById("operations").replaceChildren(element("p", { role: "alert" }, `The document can't be shown: ${error.message}`)));
