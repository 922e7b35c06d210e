// The menu button on small screens, and filters that apply as they are changed. Everything works without this too.

document.documentElement.classList.add("js");

const button = document.querySelector("[data-menu]");
const side = document.querySelector("[data-side]");
if (button && side) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const open = side.classList.toggle("open");
    button.setAttribute("aria-expanded", String(open));
  });
}

for (const control of document.querySelectorAll("[data-apply]")) {
  control.addEventListener("change", () => control.form.requestSubmit());
}

for (const form of document.querySelectorAll("form[data-once]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}
