// Filters of the claims page; on any other page it does nothing. Without it the page shows every
// claim. The filters stand in the address (#verdict=not+reproduced&exhibit=table2), so that a
// filtered view can be linked; an address without "=" names a section or a claim, which is opened.
document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("claim-filter");
  if (!form) return;
  const claims = [...document.querySelectorAll("details.claim")];
  const groups = [...document.querySelectorAll("section")]
    .filter((section) => section.querySelector("details.claim") && !section.contains(form));
  const options = [...form.querySelectorAll("option[value]")].map((o) => [o, o.text]);
  const texts = new Map(claims.map((c) => [c, c.textContent.toLowerCase()]));

  function passes(claim, wanted) {
    return Object.entries(wanted).every(([name, value]) => name === "words"
      ? value.toLowerCase().split(/\s+/).every((word) => texts.get(claim).includes(word))
      : claim.dataset[name] === value);
  }

  function chosen() {
    return Object.fromEntries([...new FormData(form)].filter(([, value]) => value));
  }

  function apply() {
    const wanted = chosen();
    for (const claim of claims) claim.hidden = !passes(claim, wanted);
    for (const group of groups) group.hidden = !group.querySelector("details.claim:not([hidden])");
    const shown = claims.filter((claim) => !claim.hidden).length;
    form.querySelector("output").value = `${shown} of ${claims.length} shown`;
    for (const [option, name] of options) { // what each choice would show beside the others
      const { [option.parentElement.name]: _, ...others } = wanted;
      if (option.value) others[option.parentElement.name] = option.value;
      option.text = `${name} (${claims.filter((claim) => passes(claim, others)).length})`;
    }
  }

  function remember() {
    apply();
    const hash = new URLSearchParams(chosen()).toString();
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  }

  function restore() {
    const hash = location.hash.slice(1);
    form.reset();
    if (hash.includes("=")) {
      for (const [name, value] of new URLSearchParams(hash)) {
        const field = form.elements[name];
        if (field) field.value = value;
        if (field && field.selectedIndex === -1) field.value = "";
      }
    }
    apply();
    const target = !hash.includes("=") && document.getElementById(decodeURIComponent(hash));
    if (target) {
      if (target.matches("details")) target.open = true;
      target.scrollIntoView();
    }
  }

  function open(wanted) {
    for (const claim of claims) if (!claim.hidden) claim.open = wanted;
  }

  form.addEventListener("input", remember);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.elements.all.addEventListener("click", () => {
    form.reset();
    remember();
  });
  form.elements.open.addEventListener("click", () => open(true));
  form.elements.close.addEventListener("click", () => open(false));
  window.addEventListener("hashchange", restore);
  form.hidden = false;
  restore();
});
