local os = require("os")
if obj.metadata.annotations == nil then
  obj.metadata.annotations = {}
end
-- Any new value has the object compared with AWS at once.
obj.metadata.annotations["stepgate.dev/check-requested-at"] = os.date("!%Y-%m-%dT%XZ")
return obj
