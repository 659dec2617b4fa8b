// All pages work without this. It fetches again what is live, asks before what
// cannot be undone, and says when the session has ended.
"use strict";

// refresh fetches a part again after the seconds that it names, while somebody looks.
function refresh(part) {
  const every = Number(part.dataset.every);
  if (every > 0) setTimeout(() => fetchPart(part), every * 1000);
}

async function fetchPart(part) {
  // Nothing changes under somebody's hands.
  if (document.hidden || part.contains(document.activeElement) && document.activeElement !== part || part.querySelector("[data-changed]")) {
    refresh(part);
    return;
  }
  const address = new URL(location.href);
  address.searchParams.set("part", part.id.replace(/^part-/, ""));
  address.hash = "";
  try {
    const answer = await fetch(address, { headers: { "X-Causeway-Live": "1" }, redirect: "error" });
    if (answer.status === 401) {
      ended();
      return;
    }
    if (answer.ok) {
      const scrolled = [...part.querySelectorAll(".scroll, pre")].map((box) => [box.scrollLeft, box.scrollTop]);
      const open = [...part.querySelectorAll("details")].map((one) => one.open);
      part.innerHTML = await answer.text();
      part.querySelectorAll(".scroll, pre").forEach((box, i) => { if (scrolled[i]) [box.scrollLeft, box.scrollTop] = scrolled[i]; });
      part.querySelectorAll("details").forEach((one, i) => { if (i < open.length) one.open = open[i]; });
      part.dataset.every = answer.headers.get("X-Causeway-Every") || "0";
    }
  } catch { /* the box is busy or away: it is tried again */ }
  refresh(part);
}

// ended says that the session is over. What is typed stays, to be copied.
function ended() {
  if (document.getElementById("ended")) return;
  const text = document.createElement("p"), link = document.createElement("a");
  text.id = "ended";
  text.className = "warning";
  text.setAttribute("role", "alert");
  link.href = location.href;
  link.textContent = "Log in again";
  text.append("The session has ended. ", link);
  document.querySelector("main").prepend(text);
}

// A field with data-unless="NAME VALUE...;NAME VALUE..." is dimmed while one of the
// fields NAME has one of its values; a box that is not ticked has "". The box decides
// by itself.
function dim() {
  for (const field of document.querySelectorAll("[data-unless]")) {
    field.disabled = field.dataset.unless.split(";").some((rule) => {
      const [name, ...values] = rule.split(" "), chosen = field.form?.elements[name];
      return chosen && values.includes(chosen.type === "checkbox" && !chosen.checked ? "" : chosen.value);
    });
  }
}

document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm || event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});
document.addEventListener("input", (event) => {
  if (event.target.form) event.target.dataset.changed = "";
  dim();
});
document.querySelectorAll("[data-every]").forEach(refresh);
dim();
