if obj.metadata.annotations ~= nil then
  obj.metadata.annotations["stepgate.dev/paused"] = nil
end
return obj
