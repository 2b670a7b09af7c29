*** Settings ***
Library    iso15118.robot_keywords.Charging

*** Test Cases ***
A Truck Is Charged In Virtual Time
    [Tags]    V2G20-1643
    ${summary} =    Run Loopback    transport=memory    service=mcs    battery_kwh=100    soc_target=25    out=${OUTPUT DIR}/truck
    Should Be Equal    ${summary.result}    ok

A Station That Is Never Ready Is Left
    Run Scenario    ${CURDIR}/stuck.toml

A Vehicle Is Charged Over TLS
    [Documentation]    In place of Start Vehicle and Charge Vehicle stands the vehicle under test.
    Start Station    preset=ccs2    time_scale=200
    Start Vehicle    battery_kwh=50    soc=75    time_scale=200
    ${vehicle} =    Charge Vehicle
    ${station} =    Wait For Session
    Session Should Be Safe    ${station}
    Session Should End With    ${vehicle}    STOPPED_BY_EV
