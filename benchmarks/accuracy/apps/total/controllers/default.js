exports.install = function () {
  F.route("/", function () { this.plain("home"); });
};
