// Saves pages from being loaded again. All works without it: it sends the same forms, and shows
// what it finds in the answers.
//
//   <form data-live="Done.">   is sent without leaving the page; says this when it has worked
//   <… data-region="name">     a part that may look different then
//   <… data-watch="seconds">   a part of the page that will soon look different
"use strict";
{
  // What is said without moving the focus, to screen readers or to all.
  const status = document.createElement("div");
  status.setAttribute("role", "status");
  status.className = "visually-hidden";
  document.body.append(status);

  const say = (text, visible = false) => {
    status.className = visible ? "flash flash-error toast" : "visually-hidden";
    status.textContent = text;
  };

  // --- forms that leave the page where it is

  // The heart's look does not wait for the answer, which brings the rest. A second call takes the
  // first one back.
  const flip = (button) => {
    const counter = button.querySelector(".ion-heart ~ .counter");
    if (!counter) return;
    const favorited = button.classList.toggle("btn-primary");
    button.classList.toggle("btn-outline-primary", !favorited);
    counter.textContent = Number(counter.textContent) + (favorited ? 1 : -1);
  };

  // The regions of a page. Those of one name are told apart by their order.
  const regions = (page) => {
    const found = new Map();
    for (const region of page.querySelectorAll("[data-region]")) {
      let key = region.dataset.region;
      while (found.has(key)) key += "+";
      found.set(key, region);
    }
    return found;
  };

  const controls = (region) => [...region.querySelectorAll("a, button, textarea")];

  const parse = async (response) =>
    new DOMParser().parseFromString(await response.text(), "text/html");

  // Takes over what differs in the answer, and puts the focus back to where it was.
  const update = (answer) => {
    const focused = document.activeElement;
    const replacements = regions(answer);
    for (const [key, old] of regions(document)) {
      const replacement = replacements.get(key);
      if (!replacement || old.isEqualNode(replacement)) continue;
      const index = controls(old).indexOf(focused);
      old.replaceWith(document.adoptNode(replacement));
      if (index < 0) continue;
      // In a list that became shorter, the last one; in an empty one, what is around it.
      const now = controls(replacement);
      const next = now[index] ?? now.at(-1) ?? document.querySelector("main");
      next.focus({ preventScroll: true });
    }
  };

  // Sends the form, shows the answer, and returns whether it has worked.
  const send = async (form, button) => {
    const region = form.closest("[data-region]").dataset.region;
    const body = new URLSearchParams(new FormData(form));
    if (button.name) body.append(button.name, button.value);
    // What looks done must be done even if the page is left at once. (For short forms only.)
    const keepalive = `${body}`.length < 4000;
    const signal = AbortSignal.timeout(20_000);
    const options = { method: "POST", body, keepalive, signal };
    const response = await fetch(form.getAttribute("action"), options);
    const answer = await parse(response);

    const isHere = regions(answer).has(region);
    if (!response.ok) {
      const problem = answer.querySelector(".error-messages, .flash-error, .error-page");
      if (isHere) update(answer);
      // Not twice, if the page says it now.
      if (document.contains(problem)) say("");
      else say(problem?.textContent.trim() || "That did not work.", true);
      return false;
    }
    if (!isHere || response.url !== location.href.split("#")[0]) {
      // Another page comes next, such as the one to sign in.
      location.assign(response.url);
      return true;
    }
    update(answer);
    if (form.isConnected) form.reset();
    say(form.dataset.live);
    return true;
  };

  const sendInPlace = async (form, button) => {
    if (form.hasAttribute("aria-busy")) return;
    form.setAttribute("aria-busy", "true");
    flip(button);
    let worked = false;
    try {
      worked = await send(form, button);
    } catch {
      // It may have arrived all the same: it is not sent again.
      say("The connection was lost. Reload the page to see if it worked.", true);
    }
    if (!worked) flip(button);
    form.removeAttribute("aria-busy");
  };

  // Looks again for as long as the page says that it will soon say something else.
  const watch = () => {
    const soon = document.querySelector("[data-watch]");
    if (!soon) return;
    setTimeout(async () => {
      try {
        update(await parse(await fetch(location.href)));
      } catch {
        // Next time, perhaps.
      }
      watch();
    }, soon.dataset.watch * 1000);
  };
  watch();

  // --- the editor's tags

  const element = (name, properties, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };

  // As in the editor's template.
  const pill = (tag) => {
    const icon = element("i", { className: "ion-close-round" });
    const properties = { className: "tag-remove", name: "do", value: `rm:${tag}` };
    const remove = element("button", properties, icon);
    remove.setAttribute("aria-label", `Remove ${tag}`);
    const input = element("input", { type: "hidden", name: "tag", value: tag });
    return element("span", { className: "tag-default tag-pill" }, remove, ` ${tag}`, input);
  };

  const addTag = (form, entry) => {
    const tag = entry.value.trim();
    const tags = [...form.querySelectorAll("input[name=tag]")];
    if (tag && !tags.some((other) => other.value === tag)) {
      form.querySelector(".tag-list").append(pill(tag));
      say(`Added ${tag}`);
    }
    entry.value = "";
  };

  const removeTag = (button, entry) => {
    button.closest(".tag-pill").remove();
    say(`Removed ${button.value.slice(3)}`);
    entry.focus();
  };

  // --- what happens when

  // Enter, in any field of the editor, presses its first button: the one that adds a tag.
  const instead = (form, button) => {
    const entry = form.elements.newtag;
    if (button.value === "addtag") return () => addTag(form, entry);
    if (button.value.startsWith("rm:")) return () => removeTag(button, entry);
    if ("live" in form.dataset) return () => sendInPlace(form, button);
  };

  if (AbortSignal.timeout) {
    document.addEventListener("submit", (event) => {
      const action = event.submitter && instead(event.target, event.submitter);
      if (!action) return;
      event.preventDefault();
      action();
    });
  }
}
